#!/usr/bin/env python3
"""Looks for input that breaks the mail path: mutated messages, commands, packets, against properties that always hold.

    python bench/fuzz.py --seconds 60                        all targets in turn, a minute of CPU in all
    python bench/fuzz.py surgery html --seconds 600 --corpus ~/messages --found /tmp/found
    python bench/fuzz.py --replay /tmp/found/surgery-1a2b3c4d

With atheris installed (`pip install atheris`) the search is led by the coverage of smtp_hooks; without it, or
with --blind, mutations are made at random from --seed, which a run prints. Every input that breaks a property (or takes
more than a second of CPU) is kept in --found, each kind of failure once, the smallest seen. Ends with 1 where there are
any. Properties: `fuzz_message.py`, `fuzz_wire.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import fuzz_seeds  # noqa: E402

SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "surgery": fuzz_seeds.messages,
    "redact": lambda: [*fuzz_seeds.headers(), *fuzz_seeds.pages()],
    "subject": fuzz_seeds.messages,
    "links": fuzz_seeds.messages,
    "html": fuzz_seeds.pages,
    "text": fuzz_seeds.messages,
    "encodings": fuzz_seeds.messages,
    "signature": fuzz_seeds.messages,
    "command": fuzz_seeds.commands,
    "reply": fuzz_seeds.commands,
    "data": fuzz_seeds.commands,
    "milter": fuzz_seeds.packets,
    "fields": fuzz_seeds.messages,
}
WEIGHT = {"surgery": 6, "html": 4, "redact": 3, "signature": 2}
"""Shares of the time; one where nothing is said."""
MOST = 16_384  # octets of one input: long enough for every shape, short enough for thousands a second
SLOW_S = 1.0


@dataclass(slots=True)
class Findings:
    """What broke, by the place where it broke; of each the smallest input."""

    target: str
    folder: Path
    seen: dict[str, int] = field(default_factory=dict)
    runs: int = 0

    def note(self, data: bytes, error: BaseException) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} {str(error)[:40] if isinstance(error, AssertionError) else ''} {last.name}"
        name = f"{self.target}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
        if len(data) >= self.seen.get(name, 1 << 30):
            return
        if name not in self.seen:
            print(f"{name}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})", flush=True)
        self.seen[name] = len(data)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(data)


class Slow(Exception):
    """One input took too long."""


def target_of(name: str) -> Callable[[bytes], None]:
    """The function that looks at one input."""
    for module in ("fuzz_message", "fuzz_wire"):
        found = getattr(importlib.import_module(module), name, None)
        if found is not None:
            return found  # type: ignore[no-any-return]
    raise SystemExit(f"there is no target {name}")


def watched(target: Callable[[bytes], None], findings: Findings) -> Callable[[bytes], None]:
    """The target, whose failures are noted and do not end the run."""

    def look(data: bytes) -> None:
        findings.runs += 1
        start = time.process_time()
        try:
            target(data)
            if time.process_time() - start > SLOW_S:
                raise Slow(f"{time.process_time() - start:.1f} s of CPU for {len(data)} octets")
        except Exception as error:
            findings.note(data, error)

    return look


def blind(look: Callable[[bytes], None], seeds: list[bytes], seconds: float, seed: int) -> None:
    """Mutations of the seeds, and of what came of them, until the CPU time is over."""
    rng = random.Random(seed)
    pool = list(seeds)
    for data in seeds:
        look(data)
    end = time.process_time() + seconds
    while time.process_time() < end:
        data = fuzz_seeds.mutate(rng.choice(pool), rng, MOST)
        look(data)
        if rng.random() < 0.01:
            pool[rng.randrange(len(seeds), len(pool)) if len(pool) > 4000 else len(pool) :] = [data]


def guided(name: str, seeds: list[bytes], seconds: float, findings: Findings, seed: int, scratch: Path) -> None:
    """By atheris, which never returns: the process ends when the time is over, and says so by its exit status."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["smtp_hooks"]):
        look = watched(target_of(name), findings)
    folder = scratch / "corpus"
    folder.mkdir()
    for number, data in enumerate(seeds):
        (folder / str(number)).write_bytes(data)
    words = scratch / "words"
    words.write_text(fuzz_seeds.dictionary())
    rng = random.Random(seed)
    end = time.process_time() + seconds

    def one(data: bytes) -> None:
        if time.process_time() > end:
            tell(findings)
            sys.stdout.flush()
            os._exit(1 if findings.seen else 0)
        look(data)

    def mutated(data: bytes, most: int, _: int) -> bytes:
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, len(data)))
        return fuzz_seeds.mutate(data, rng, min(most, MOST))

    options = [
        f"-max_len={MOST}",
        f"-dict={words}",
        "-timeout=1200",  # by the clock, and neighbours may stop it; `watched` looks at the CPU
        "-rss_limit_mb=2048",
        f"-seed={seed}",
        "-verbosity=0",
        "-report_slow_units=600",
    ]
    options += ["-len_control=0", f"-artifact_prefix={findings.folder}/"]
    atheris.Setup([sys.argv[0], *options, str(folder)], one, custom_mutator=mutated)
    atheris.Fuzz()


def tell(findings: Findings) -> None:
    print(f"{findings.target}: {findings.runs} inputs, {len(findings.seen)} kinds of failure", flush=True)


def replay(path: Path) -> None:
    """One input again, with its traceback."""
    target_of(path.name.rpartition("-")[0])(path.read_bytes())
    print(f"{path}: nothing wrong")


def one_target(options: argparse.Namespace, name: str) -> int:
    """All in this process."""
    findings = Findings(name, options.found)
    seeds = SEEDS[name]()
    if options.corpus and SEEDS[name] is fuzz_seeds.messages:
        seeds += fuzz_seeds.read_folder(options.corpus, MOST)
    with contextlib.suppress(ImportError):
        if not options.blind:
            with tempfile.TemporaryDirectory() as scratch:
                options.found.mkdir(parents=True, exist_ok=True)
                guided(name, seeds, options.seconds, findings, options.seed, Path(scratch))
    blind(watched(target_of(name), findings), seeds, options.seconds, options.seed)
    tell(findings)
    return 1 if findings.seen else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="*", help=", ".join(SEEDS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU, for all targets together")
    parser.add_argument("--corpus", type=Path, help="a folder of messages to begin with")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args()
    if options.replay:
        replay(options.replay)
        return 0
    names = options.target or list(SEEDS)
    unknown = set(names) - set(SEEDS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if len(names) == 1:
        return one_target(options, names[0])
    print(f"seed {options.seed}")
    total = sum(WEIGHT.get(name, 1) for name in names)
    bad = 0
    for name in names:
        share = options.seconds * WEIGHT.get(name, 1) / total
        given = ["--seconds", str(share), "--found", str(options.found), "--seed", str(options.seed)]
        given += ["--corpus", str(options.corpus)] if options.corpus else []
        given += ["--blind"] if options.blind else []
        done = subprocess.run([sys.executable, __file__, name, *given], check=False)
        bad += done.returncode != 0
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""The bench's next hop: counts messages, refuses one that it had already or that is damaged.

Prints one JSON line at SIGTERM: {"taken": messages, "wrong": messages refused, "matches": distinct matches}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys
import zlib
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from lab import sink

_MARK = re.compile(rb"^X-Bench: ([0-9]+) ([0-9]+)\r\n", re.MULTILINE)


class Counter:
    """Takes each message number once. `exact`: the body must be the one that was sent."""

    def __init__(self, exact: bool, match: str | None, keep: Path | None) -> None:
        self.numbers: set[int] = set()
        self.wrong = 0
        self.matches: set[bytes] = set()
        self.kept: dict[int, bytes] = {}
        self._exact = exact
        self._match = re.compile(match.encode()) if match else None
        self._keep = keep or match

    def take(self, taken: sink.Taken) -> None:
        content = taken.content
        mark = _MARK.search(content, 0, 20_000)
        if mark is None or int(mark[1]) in self.numbers:
            self.wrong += 1
            raise ValueError("not from the bench, or a second time")
        if self._exact and zlib.crc32(content[content.index(b"\r\n\r\n") :]) != int(mark[2]):
            self.wrong += 1
            raise ValueError("damaged")
        self.numbers.add(int(mark[1]))
        if self._keep:
            self.kept[int(mark[1])] = content

    def look(self, folder: Path | None) -> None:
        """What would take time from who is measured: matches are looked for, and messages written."""
        for number, content in self.kept.items():
            if self._match is not None:
                self.matches.update(self._match.findall(content))
            if folder is not None:
                (folder / f"{number}.eml").write_bytes(content)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--match", help="expression; distinct matches in all messages are counted")
    parser.add_argument("--keep", type=Path, help="folder for the messages")
    options = parser.parse_args()
    counter = Counter(options.exact, options.match, options.keep)
    server = await sink.start(counter.take, port=options.port, chunking=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    server.close()
    counter.look(options.keep)
    print(json.dumps({"taken": len(counter.numbers), "wrong": counter.wrong, "matches": len(counter.matches)}))


if __name__ == "__main__":
    uvloop.run(main())

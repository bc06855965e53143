"""How much worse SpamAssassin thinks of messages after the offer went in: the rise of the score, message by message.

    python bench/spam.py BEFORE AFTER            two folders with the same names, as bench/corpus.py makes them

Local rules only, one process for all messages. Prints the messages whose score rises by more than --most (0.5) with
the rules that did it, and ends with 1 where there are any. Messages that are spam already (a score of 5 and more
before) are left out, as are those that did not change. Needs Debian's spamassassin.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

# One line for each file: score, rules. Mail::SpamAssassin(3pm) is the interface that spamd and spamassassin use.
_PERL = """
use Mail::SpamAssassin;
my $judge = Mail::SpamAssassin->new({ local_tests_only => 1, userprefs_filename => '/dev/null', dont_copy_prefs => 1,
                                      userstate_dir => $ENV{STATE} });
$judge->init(1);
while (my $path = <STDIN>) {
    chomp $path;
    open(my $file, '<:raw', $path) or die "$path: $!";
    local $/ = undef;
    my $text = <$file>;
    my $message = $judge->parse($text);
    my $status = $judge->check($message);
    print $status->get_score(), ' ', $status->get_names_of_tests_hit(), "\\n";
    $status->finish();
    $message->finish();
    $/ = "\\n";
}
"""


def judged(paths: list[Path], state: str) -> list[tuple[float, set[str]]]:
    """Score and rules of each message, read as it would lie in a mailbox (lines ended by LF)."""
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for number, path in enumerate(paths):
            copy = Path(folder) / str(number)
            copy.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
            copies.append(str(copy))
        done = subprocess.run(
            ["/usr/bin/perl", "-e", _PERL],
            input="\n".join(copies) + "\n",
            capture_output=True,
            text=True,
            check=True,
            env={"STATE": state, "HOME": state, "PATH": "/usr/bin:/bin"},
        )
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [(float(score), set(rules.split(","))) for score, rules in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--most", type=float, default=0.5)
    options = parser.parse_args()
    names = [str(p.relative_to(options.after)) for p in sorted(options.after.rglob("*.eml"))]

    def crlf(path: Path) -> bytes:
        return path.read_bytes().replace(b"\r\n", b"\n")

    changed = [n for n in names if crlf(options.before / n).strip() != crlf(options.after / n).strip()]
    with tempfile.TemporaryDirectory() as state:
        before = judged([options.before / n for n in changed], state)
        after = judged([options.after / n for n in changed], state)
    rises = sorted(
        (new - old, name, old, new, new_rules - old_rules)
        for name, (old, old_rules), (new, new_rules) in zip(changed, before, after, strict=True)
        if old < 5
    )
    worse = [r for r in rises if r[0] > options.most]
    for rise, name, old, new, rules in worse:
        print(f"{rise:+.2f}  {old:.1f} → {new:.1f}  {name}  {' '.join(sorted(rules))}")
    print(f"{len(rises)} legitimate messages changed; {len(worse)} rise by more than {options.most}")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()

"""What the C library keeps of the memory that messages were in; each case in a process of its own."""

import subprocess
import sys

ROUNDS = """
import resource, sys
from mailgate import heap

if sys.argv[1] == "keep":
    heap.keep()

def messages(size):
    copies = [bytes([n]) * size for n in range(20)]
    while copies:
        copies.pop()

messages(100_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    messages(100_000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50)
"""

BIG = """
from mailgate import heap

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

heap.keep()
before = resident()
copies = [bytes([n]) * (25 << 20) for n in range(1, 3)]
held = resident()
del copies
print(held - before, resident() - before)
"""


def ran(program: str, *arguments: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def test_memory_of_messages_is_not_fetched_anew_for_each() -> None:
    (without,), (faults,) = ran(ROUNDS, "as it is"), ran(ROUNDS, "keep")
    assert faults < 5
    assert without > 100  # what it spares: else this test proves nothing


def test_that_of_a_very_big_message_is_given_back_at_once() -> None:
    held, left = ran(BIG)
    assert held > 2 * (25 << 20)
    assert left < 1 << 20

"""The process that does what may take long: jobs on standard input, answers on standard output, limits by the kernel.

    python -m smtp_hooks.surgery.worker

Each way a length (8 octets, big endian) and a pickle: `(job, arguments)` in, what came out of it back. Every job has
CPU_S seconds; at their end the kernel ends the process (SIGXCPU), and who asked sees the end of the stream. An error
in a job ends it likewise, with its traceback on standard error.

Standards: setrlimit(2). Known limits: RLIMIT_CPU counts whole seconds, a job may have up to one more.
"""

from __future__ import annotations

import pickle
import resource
import signal
import struct
import sys
from typing import Any, Literal

from smtp_hooks import mime
from smtp_hooks.mime import Spliced

HEAD = struct.Struct(">Q")
CPU_S = 1
MEMORY = 1024 * 1024 * 1024  # of address space: a message of 50 MiB, its text decoded, and the interpreter
Job = Literal["locate", "splice", "exposed"]


def answer(job: Job, arguments: Any) -> Any:
    """What this job gives. A splice gives edits and what remains: who asks has the message itself."""
    match job:
        case "locate":
            return mime.locate(*arguments)
        case "exposed":
            return mime.exposed(*arguments)
        case "splice":
            message, site, addition, redactor, eight_bit = arguments
            spliced = mime.splice(message, site, addition, redactor=redactor, eight_bit=eight_bit)
            return (spliced.edits, spliced.remaining) if isinstance(spliced, Spliced) else spliced


def _allow(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def main() -> None:
    """Until the input ends."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # sent to all of a terminal or unit; our input ends with the gateway
        signal.signal(sign, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(HEAD.size):
        question = source.read(HEAD.unpack(head)[0])
        _allow(CPU_S)
        reply = pickle.dumps(answer(*pickle.loads(question)), pickle.HIGHEST_PROTOCOL)
        sink.write(HEAD.pack(len(reply)) + reply)
        sink.flush()
        del question, reply


if __name__ == "__main__":
    main()

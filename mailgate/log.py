"""Logs: a fixed phrase and fields beside it, as text or as JSON lines on stderr.

Whatever looks like a telephone number, a token or a link with one is masked as the last thing before a line leaves,
so that a slip elsewhere does not show it. That is a net, not a licence: nothing should fall into it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any, Literal

from tokens.coupon import PATTERN

_OWN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
_TOKEN = re.compile(rf"(?<![A-Za-z0-9_-]){PATTERN}(?![A-Za-z0-9_-])")
# seven digits or more, as people write numbers: 7 is the shortest subscriber number that is worth hiding
_NUMBER = re.compile(r"(?<![0-9A-Za-z.:_-])\+?(?:[0-9][ ().\u00a0-]{0,3}){6,14}[0-9](?![0-9A-Za-z_])")
_HEX_OR_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def mask(text: str) -> str:
    """The text without tokens, and of each number only the first two and the last two digits."""
    return _NUMBER.sub(_mask_number, _TOKEN.sub("[token]", text))


def _mask_number(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    if _HEX_OR_TIME.match(match[0]):
        return match[0]
    return f"{'+' if match[0].startswith('+') else ''}{digits[:2]}…{digits[-2:]}"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{record.levelname.lower()}: {record.name}: {record.getMessage()}{fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return mask(line)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"
        line: dict[str, Any] = {"level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        line |= _fields(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        masked = {k: mask(v) if isinstance(v, str) else v for k, v in line.items()}
        return json.dumps({"time": stamp} | masked, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in record.__dict__.items() if k not in _OWN and v is not None}


def set_up(level: str, style: Literal["text", "json"]) -> None:
    """Send all logs to stderr, in one of two styles."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Text())
    # No line says where in the program it was written, nor by which thread or process: the library need not find out
    # (docs.python.org/3/howto/logging.html#optimization).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("asyncio", "panoramisk", "uvicorn", "mail.log", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

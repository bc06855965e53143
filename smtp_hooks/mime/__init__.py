"""MIME surgery: where in a message the offer goes, and the change itself, on octet offsets (pure, sans I/O).

locate(message) → Site | Unsuitable        splice(message, site, addition, …) → Spliced | Unsuitable
"""

from smtp_hooks.mime.locate import locate, text_octets
from smtp_hooks.mime.model import (
    Addition,
    Icon,
    Placement,
    Reason,
    Site,
    Spliced,
    Unsuitable,
    pieces,
    remove,
)
from smtp_hooks.mime.splice import exposed, splice

__all__ = [
    "Addition",
    "Icon",
    "Placement",
    "Reason",
    "Site",
    "Spliced",
    "Unsuitable",
    "exposed",
    "locate",
    "pieces",
    "remove",
    "splice",
    "text_octets",
]

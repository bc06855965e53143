"""Since when the Asterisk of today has been seen: an order from before went to one that is gone.

Asterisk writes astdb to disk once a second. One that is killed forgets what it was told in its last second, so that an
attempt of which it knows nothing may have rung all the same. A global variable lives as long as the process: the first
who finds it empty writes down the time. Where orders are older than that, silence proves nothing.

Known limit: `clearglobalvars=yes` and a reload of the dialplan look like a start of Asterisk; the error is on the safe
side, since calls under way are found by their channels.
Source: extensions.conf.sample of Asterisk 22 (clearglobalvars).
"""

from __future__ import annotations

from mailgate.calls.asterisk.link import Link

VARIABLE = "MAILGATE_FIRST_SEEN"


async def first_seen(link: Link, now: float) -> float:
    """UNIX seconds; `now` where nobody has seen this Asterisk before. Raises LinkLost."""
    answer = await link.act({"Action": "Getvar", "Variable": VARIABLE})
    try:
        return float(str(answer.get("value", "")))
    except ValueError:
        await link.act({"Action": "Setvar", "Variable": VARIABLE, "Value": f"{now:.3f}"})
        return now

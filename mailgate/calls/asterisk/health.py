"""Whether a call that is placed now would be carried to its end: our dialplan is there, and all that it calls.

A module can be unloaded in a running Asterisk; a call then breaks off in the midst of the dialplan. It is better not
begun.
"""

from __future__ import annotations

from mailgate.calls.asterisk.link import Link
from mailgate.calls.deploy import DIALPLAN_VERSION, MODULES


async def fault(link: Link) -> str:
    """Why no calls can be placed, and what to do; "" where they can. Raises LinkLost."""
    if not await _is(link, f"DIALPLAN_EXISTS(mailgate-call,version-{DIALPLAN_VERSION},1)"):
        if not await _is(link, "IFMODULE(func_dialplan.so)") and await _is(link, "IFMODULE(func_module.so)"):
            return _missing("func_dialplan")
        return f"Asterisk has not the dialplan of mailgate (version {DIALPLAN_VERSION}): see mailgate deploy asterisk"
    for module in (*MODULES, "chan_pjsip"):
        if not await _is(link, f"IFMODULE({module}.so)"):
            return _missing(module)
    return ""


def _missing(module: str) -> str:
    return (
        f"Asterisk has not loaded {module}.so, which the dialplan needs: asterisk -rx 'module load {module}.so', "
        "and see modules_mailgate.conf of mailgate deploy asterisk"
    )


async def _is(link: Link, expression: str) -> bool:
    return (await link.act({"Action": "Getvar", "Variable": expression})).get("value") == "1"

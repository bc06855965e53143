"""The configuration of Asterisk that `mailgate deploy asterisk` prints, and the tests run Asterisk on.

In goes DeploySettings, out come files by name. Pure but for reading the templates that the package brings.
`DIALPLAN_VERSION` changes with every change that older calls of mailgate's code would not understand: the link looks
for it in the running dialplan and refuses to place calls by another.
"""

from __future__ import annotations

from importlib import resources

import jinja2

from mailgate.calls.action import FIELDS, SLOTS
from mailgate.calls.settings import DeploySettings
from mailgate.calls.trunks import Transport

DIALPLAN_VERSION = 8

MODULES: tuple[str, ...] = (
    *("app_db", "app_dial", "app_exec", "app_originate", "app_playback", "app_read", "app_stack", "app_userevent"),
    *("bridge_builtin_interval_features", "bridge_simple"),
    *("func_callerid", "func_channel", "func_cut", "func_db", "func_dialplan", "func_env", "func_hangupcause"),
    *("func_logic", "func_module", "func_pjsip_endpoint", "func_strings", "func_timeout", "pbx_config"),
)
"""What the dialplan needs beside SIP, sound formats and codecs; none of them may be missing while calls are placed."""

_TEMPLATES = {
    "extensions_mailgate.conf": ("extensions_mailgate.conf", "failed_calls.conf"),
    "manager.d/mailgate.conf": ("manager_mailgate.conf",),
    "modules_mailgate.conf": ("modules_mailgate.conf",),
    "pjsip_mailgate.conf": ("pjsip_mailgate.conf",),
}
"""Where it goes → the templates that it is made of, one after the other."""


def _incoming(settings: DeploySettings) -> list[str]:
    """What a trunk may call the gateway's number: with and without plus sign, and the name it is registered by."""
    numbers = (settings.link.gateway_number, *(trunk.caller for trunk in settings.trunks if trunk.caller))
    names = [form for number in numbers for form in (number, number[1:], f"00{number[1:]}")]
    names += [trunk.username for trunk in settings.trunks if trunk.username]
    return list(dict.fromkeys(names))


def render_asterisk(settings: DeploySettings) -> dict[str, str]:
    """File name (beside Asterisk's own configuration) → text."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False, trim_blocks=True
    )
    folder = resources.files("templates") / "deploy" / "asterisk"
    values = {
        "version": DIALPLAN_VERSION,
        "gateway_number": settings.link.gateway_number,
        "username": settings.link.username,
        "secret": settings.link.secret,
        "link": settings.link,
        "modules": MODULES,
        "trunks": settings.trunks,
        "settings": settings,
        "slots": SLOTS,
        "order": {name: f"${{CUT(MG_ORDER,|,{place})}}" for place, name in enumerate(FIELDS, 1)},
        "udp": Transport.UDP,
        "tcp": Transport.TCP,
        "tls": Transport.TLS,
        "users": settings.users,
        "transport": settings.transport,
        "key_wait_s": settings.key_wait_s,
        "key_tries": settings.key_tries,
        "qualify_s": settings.qualify_s,
        "sound_announcement": settings.sound_announcement,
        "sound_goodbye": settings.sound_goodbye,
        "sound_sorry": settings.sound_sorry,
        "sound_hold": settings.sound_hold,
        "word_every_s": settings.word_every_s,
        "media_address": settings.media_address,
        # Asterisk can only listen there where the address is its own, not one that a router stands for.
        "media_bind": settings.media_address.startswith("127."),
        "dial_in": settings.dial_in,
        "pin_digits": settings.pin_digits,
        "sound_pin": settings.sound_pin,
        "sound_pin_wrong": settings.sound_pin_wrong,
        "incoming": _incoming(settings),
    }
    return {
        name: environment.from_string("".join((folder / part).read_text(encoding="utf-8") for part in parts)).render(
            values
        )
        for name, parts in _TEMPLATES.items()
    }

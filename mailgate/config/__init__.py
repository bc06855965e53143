"""The configuration: one TOML file into frozen models, each room handed its own section once.

Unknown keys are refused, and every complaint names file, key and reason. Paths are taken as relative to the file's
folder. Secrets are never in the file: it names the files that hold them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails

from mailgate.config.api import Api, Webhooks
from mailgate.config.calls import Asterisk, Call, Dialling, FailedCalls
from mailgate.config.gateway import Gateway, Keys, Log, StoreSection
from mailgate.config.kinds import Section
from mailgate.config.later import Later
from mailgate.config.listening import Listening
from mailgate.config.mail import Dkim, Milter, NextHopTls, Notices, Offer, Policy, ServerTls, Smtp
from mailgate.config.pages import Web
from mailgate.config.trunks import TrunkTable
from mailgate.config.xmpp import Xmpp
from mailgate.errors import ConfigError

__all__ = ["Config", "Gateway", "NextHopTls", "ServerTls", "load"]


class Config(Section):
    """The whole file."""

    gateway: Gateway
    smtp: Smtp = Smtp()
    milter: Milter = Milter()
    offer: Offer = Offer()
    policy: Policy = Policy()
    dkim: Dkim = Dkim()
    keys: Keys = Keys()
    store: StoreSection = StoreSection()
    web: Web = Web()
    asterisk: Asterisk = Asterisk()
    trunk: tuple[TrunkTable, ...] = ()
    dialling: Dialling = Dialling()
    call: Call = Call()
    later: Later = Later()
    failed_calls: FailedCalls = FailedCalls()
    listening: Listening = Listening()
    notices: Notices = Notices()
    xmpp: Xmpp = Xmpp()
    api: Api = Api()
    webhooks: Webhooks = Webhooks()
    log: Log = Log()

    @model_validator(mode="after")
    def _mail_needs_a_way_in(self) -> Self:
        if not self.smtp.listen and not self.milter.listen:
            raise ValueError("smtp.listen and milter.listen are both empty: no mail would come in")
        return self

    @model_validator(mode="after")
    def _pins_need_dialling_in(self) -> Self:
        if self.offer.pin_in_mail and not self.call.dial_in:
            raise ValueError("offer.pin_in_mail needs call.dial_in = true: nobody could use the PIN")
        return self

    @model_validator(mode="after")
    def _outside_sip_needs_a_way_out(self) -> Self:
        if self.dialling.sip_domains and not self.asterisk.sip_outbound:
            raise ValueError("dialling.sip_domains needs asterisk.sip_outbound, the endpoint to dial them through")
        return self


def load(path: Path) -> Config:
    """Read the file; raises ConfigError naming file, key and reason."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; `mailgate init DIR` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {_complaint(e)}" for e in error.errors())) from error
    absolute: Config = _with_absolute_paths(config, path.resolve().parent)
    return absolute


def _complaint(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: there is no such key"
        case "missing":
            return f"{key}: is missing"
        case _:
            reason = error["msg"].removeprefix("Value error, ")
            return f"{key}: {reason}" if key else reason


def _with_absolute_paths(section: Any, folder: Path) -> Any:
    """The same section with every path in it made absolute."""
    changed: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, Section):
            changed[name] = _with_absolute_paths(value, folder)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            changed[name] = tuple(_with_absolute_paths(each, folder) for each in value)
    return section.model_copy(update=changed)

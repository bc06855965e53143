"""From the configuration to what each edge is handed: one function for each, and no edge reads the file itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mailgate.calls.dialling import DiallingRules, may_dial
from mailgate.calls.model import Channel
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.speech import SpeechSettings
from mailgate.calls.trunks import Line
from mailgate.config import Config
from mailgate.config.later import rest_of
from mailgate.errors import ConfigError
from mailgate.keyfiles import load_ring, read_secret
from mailgate.offers import slots
from mailgate.offers.api_keys import ApiKeys
from mailgate.offers.programs import Programs
from mailgate.offers.service import Offers
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from mailgate.web import zones
from mailgate.web.brand import Logo, logo_of
from mailgate.web.settings import TalkSettings, WebSettings
from tokens.keys import KeyRing


def asterisk_settings(config: Config) -> AsteriskSettings:
    """The link to Asterisk as configured; raises ConfigError."""
    host, _, port = config.asterisk.ami.rpartition(":")
    return AsteriskSettings(
        gateway_number=config.gateway.number,
        host=host,
        port=int(port),
        username=config.asterisk.username,
        secret=read_secret(config.asterisk.secret_file),
        lines=tuple(each.line for each in config.trunk) or (Line(name=config.asterisk.trunk),),
        outbound=config.asterisk.sip_outbound,
        websocket=config.asterisk.websocket if config.web.browser_calls else "",
        relay_address=config.asterisk.relay_address,
    )


def api_of(
    config: Config, *, store: Store, sealer: Sealer, ring: KeyRing, offers: Offers
) -> tuple[Programs, ApiKeys] | None:
    """What the API stands on, None where there is none."""
    if not config.api.enabled:
        return None
    programs = Programs(store=store, sealer=sealer, ring=ring, offers=offers, now=time.time)
    return programs, ApiKeys(store=store, sealer=sealer, now=time.time)


def web_settings(config: Config) -> WebSettings:
    """The pages as configured; raises ConfigError."""
    dialling = config.dialling
    return WebSettings(
        public_url=config.gateway.public_url,
        organisation=config.gateway.name,
        gateway_number=config.gateway.number,
        default_region=config.gateway.region,
        countries=tuple(dict.fromkeys((config.gateway.region, *dialling.countries))),
        allow_sip=dialling.sip_users or bool(dialling.sip_domains),
        keys=load_ring(config.keys.token_file),
        nonce_ttl_s=config.web.nonce_minutes * 60,
        talk=talk_settings(config),
        frame_ancestors=" ".join(config.web.frame_ancestors) or "'none'",
        metrics_networks=config.web.metrics_networks,
        api_per_minute=config.api.requests_per_minute,
        api_burst=config.api.burst,
        accent=config.web.accent_color,
        logo=_logo(config.web.logo_file),
        time_zone=time_zone(config),
        organizer=own_address(config),
    )


def time_zone(config: Config) -> str:
    """The gateway's own, for hours and dates that name none."""
    return config.later.time_zone or zones.guess(config.gateway.region, "UTC")


def calls_at_once(config: Config) -> int:
    """How many calls the trunks carry, each with two lines."""
    limits = [each.line.capacity for each in config.trunk]
    return config.later.capacity or (max(1, sum(limits) // 2) if limits and all(limits) else 30)


def slot_rules(config: Config) -> slots.Rules:
    """How times to be called at are offered."""
    later = config.later
    return slots.Rules(
        minutes=later.slot_minutes,
        horizon_s=later.horizon_days * 86400.0,
        lead_s=later.lead_minutes * 60.0,
        capacity=calls_at_once(config),
        hours=later.hours,
        zone=time_zone(config),
        rest=rest_of(later.day),
    )


def _logo(path: Path | None) -> Logo | None:
    if path is None:
        return None
    try:
        return logo_of(path.name, path.read_bytes())
    except OSError as error:
        raise ConfigError(f"web.logo_file: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"web.logo_file: {path} {error}") from error


def talk_settings(config: Config) -> TalkSettings | None:
    """Calls from the page as configured, None where there are none; raises ConfigError."""
    if not config.web.browser_calls:
        return None
    return TalkSettings(
        asterisk=config.asterisk.websocket,
        relay_address=config.asterisk.relay_address,
        ice_servers=config.web.ice_servers,
        turn_secret=read_secret(config.web.turn_secret_file) if config.web.turn_secret_file else "",
    )


def speech_settings(config: Config) -> SpeechSettings:
    """Who speaks, and where it is kept; raises ConfigError."""
    if config.call.speech_command:
        return SpeechSettings(folder=config.asterisk.sounds, command=config.call.speech_command)
    return SpeechSettings(folder=config.asterisk.sounds)


def own_address(config: Config) -> str:
    """What stands in From of messages of the gateway's own."""
    domain = next((key.domain for key in config.dkim.keys), config.smtp.hostname)
    return config.notices.sender or f"calls@{domain}"


def dial(config: Config) -> Callable[[str, str], Channel]:
    rules = DiallingRules(
        region=config.gateway.region,
        countries=frozenset(config.dialling.countries),
        denied=tuple(f"+{prefix.lstrip('+')}" for prefix in config.dialling.denied_prefixes),
        sip_users=None if config.dialling.sip_users else frozenset(),
        sip_domains=frozenset(domain.lower() for domain in config.dialling.sip_domains),
    )
    return lambda typed, region: may_dial(typed, region, rules)

"""Sections about the gateway itself: who runs it, its secrets, store and log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from mailgate.config.kinds import E164, Region, Section, Url


class Gateway(Section):
    """Who runs the gateway, and what everybody may see of it."""

    name: str = Field(min_length=1, max_length=80)
    public_url: Url
    number: E164
    """The number that both parties see."""
    region: Region
    """Where numbers without a country code belong."""
    language: str = "en"


class Keys(Section):
    """Files with secrets, readable by the gateway's user only."""

    token_file: Path = Path("keys/token.keys")
    number_file: Path = Path("keys/number.keys")


class StoreSection(Section):
    """Where offers and accounts are kept."""

    path: Path = Path("mailgate.db")


class Log(Section):
    """How much is told."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"

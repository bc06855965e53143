"""Options of `mailgate account` that say when calls may be booked, and who is rung first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import click

from mailgate.accounts.model import Account
from mailgate.offers import hours as hours_of

F = TypeVar("F", bound=Callable[..., Any])


def hours_options(command: F) -> F:
    """Adds --hours, --time-zone and --rings-first."""
    for option in (
        click.option(
            "--rings-first/--rings-second",
            "rings_first",
            default=None,
            help="At a booked time, ring this account before the recipient.  [default: rings second]",
        ),
        click.option("--time-zone", help="Of the hours, such as Europe/Paris; '' for the gateway's."),
        click.option("--hours", help="When calls may be booked, such as 'Mon-Fri 9-18'; '' for the gateway's."),
    ):
        command = option(command)
    return command


def with_hours(account: Account, hours: str | None, time_zone: str | None, rings_first: bool | None) -> Account:
    """The account with what was given; what was not stays. Raises click.BadParameter."""
    changed = replace(
        account,
        hours=account.hours if hours is None else hours.strip(),
        time_zone=account.time_zone if time_zone is None else time_zone,
        rings_first=account.rings_first if rings_first is None else rings_first,
    )
    try:
        hours_of.parse(changed.hours or "Mon 9-10", changed.time_zone or "UTC")
    except hours_of.BadHours as error:
        raise click.BadParameter(str(error)) from error
    return changed

"""`mailgate account`: who may offer calls."""

from __future__ import annotations

import re
import sqlite3
import time
import uuid
from dataclasses import replace

import click
from email_validator import EmailNotValidError, validate_email
from rich.table import Table

from mailgate.accounts.model import Account, Destination, Hide, Mode, NoticesBy
from mailgate.calls.model import Channel, Kind
from mailgate.cli.account_chat import set_xmpp, xmpp_option
from mailgate.cli.account_hours import hours_options, with_hours
from mailgate.cli.common import Desk, console, desk, masked, parse_number
from mailgate.errors import MailgateError
from mailgate.languages import LANGUAGES
from mailgate.offers.forwarding import Forwarding
from mailgate.store import accounts

EPILOG = """\b
Examples:
  mailgate account add ada@example.org --name "Ada Lovelace" --number "01 99 00 12 34"
  mailgate account add ada@example.org --name "Ada Lovelace" --sip ada --number "01 99 00 12 34"
  mailgate account change ada@example.org --hours "Mon-Fri 9-12,13:30-18" --time-zone Europe/Paris
  mailgate account add grace@example.org --name "Grace Hopper" --sip grace --extension 201
  mailgate account change grace@example.org --xmpp grace@chat.example.org
  mailgate account list
"""


FORWARDING = "Who may take up an offer that was passed on; otherwise as [offer] forwarding says."
VERIFIED = (
    "Whether you vouch that these telephones are the account's; else they ring only once a code told there was typed."
)
BROWSER_HELP = "Calls ring in this person's page /my/listen, too, while it is open and wants them; tried first."
PIN_IN_MAIL = "Whether messages show the PIN for who dials in; otherwise as [offer] pin_in_mail says."
AUTO = "auto"
SPOKEN = (*LANGUAGES, AUTO)


class NoAccount(MailgateError):
    """No account writes from that address."""


@click.group(epilog=EPILOG)
def account() -> None:
    """Add, list, show, change and remove accounts."""


def _address(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise click.BadParameter(str(error)) from error


def _sip(text: str) -> Channel:
    try:
        return Channel(Kind.SIP, text.removeprefix("sip:"))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a SIP user or address, such as ada or ada@example.org") from error


def _page(account_id: str) -> Channel:
    """The owner's own page, which rings while it is open."""
    return Channel(Kind.PAGE, account_id)


def _destination(text: str, region: str) -> Destination:
    """`NAME=SHOWN NAME,CHANNEL[,CHANNEL…]`, such as `support=Support team,+33199009999,sip:desk`."""
    name, equals, rest = text.partition("=")
    shown, *ways = (part.strip() for part in rest.split(","))
    if not equals or not name.isidentifier() or not shown or not ways:
        raise click.BadParameter(f"{text!r} is not of the form 'support=Support team,+33199009999'")
    channels = tuple(_sip(way) if way.startswith("sip:") else parse_number(way, region) for way in ways)
    return Destination(name=name, display_name=shown, channels=channels)


def _vouched(destination: Destination) -> Destination:
    return replace(destination, verified=frozenset(destination.channels))


def _forwarding(text: str) -> Forwarding | None:
    return None if text == "default" else Forwarding(text)


def _yes(text: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(text or "")


def _one(language: str | None) -> str | None:
    """The language itself, where one was named."""
    return None if language == AUTO else language


def _extension(text: str, region: str) -> str:
    """What the dialplan calls a party by: a name or short number as it is, a longer number in E.164."""
    if not re.fullmatch(r"[A-Za-z0-9+*#_.-]{1,40}", text.replace(" ", "")):
        raise click.BadParameter(f"{text!r} is not an extension, such as 201 or +33199001234")
    plain = text.replace(" ", "").lower()
    return parse_number(plain, region).address if plain.startswith("+") else plain


def _find(d: Desk, address: str) -> Account:
    found = d.store.read(lambda rows: accounts.by_address(rows, d.sealer, address))
    if found is None:
        raise NoAccount(f"no account writes from {address}; `mailgate account list` names those that there are")
    return found


@account.command(epilog=EPILOG)
@click.argument("address")
@click.option("--name", required=True, help="The name that recipients see and hear.")
@click.option("--number", "numbers", multiple=True, help="Telephone number to be connected with; it stays hidden.")
@click.option("--sip", "sips", multiple=True, help="SIP user here, or address; tried before the numbers.")
@click.option("--browser", is_flag=True, help=BROWSER_HELP)
@click.option("--alias", "aliases", multiple=True, help="Another address that this person writes from.")
@click.option("--hide-number", "hidden", multiple=True, help="A further number to take out of messages.")
@click.option(
    "--destination", "others", multiple=True, help="Another party calls may lead to: 'support=Support team,+33…'."
)
@click.option(
    "--extension", "extensions", multiple=True, help="As the dialplan calls this person; failed calls are told."
)
@click.option(
    "--notices",
    type=click.Choice([n.value for n in NoticesBy]),
    default=NoticesBy.MAIL.value,
    show_default=True,
    help="How answers to offers come; by telephone they are spoken.",
)
@click.option("--mode", type=click.Choice([m.value for m in Mode]), default=Mode.ALWAYS.value, show_default=True)
@click.option("--hide", type=click.Choice([h.value for h in Hide]), default=Hide.BEST_EFFORT.value, show_default=True)
@click.option("--language", type=click.Choice(SPOKEN), help="auto: each message's own. Otherwise that of the gateway.")
@click.option("--cards/--no-cards", help="Take the numbers out of attached vCards too.")
@click.option("--forwarding", type=click.Choice([f.value for f in Forwarding]), help=FORWARDING)
@click.option("--pin-in-mail", type=click.Choice(["yes", "no"]), help=PIN_IN_MAIL)
@click.option("--verified/--unverified", default=True, show_default=True, help=VERIFIED)
@hours_options
@xmpp_option
@click.pass_context
def add(
    context: click.Context,
    address: str,
    name: str,
    numbers: tuple[str, ...],
    sips: tuple[str, ...],
    browser: bool,
    aliases: tuple[str, ...],
    hidden: tuple[str, ...],
    others: tuple[str, ...],
    extensions: tuple[str, ...],
    notices: str,
    mode: str,
    hide: str,
    language: str | None,
    forwarding: str | None,
    pin_in_mail: str | None,
    verified: bool,
    cards: bool,
    hours: str | None,
    time_zone: str | None,
    rings_first: bool | None,
    xmpp: str | None,
) -> None:
    """Let ADDRESS offer calls."""
    with desk(context) as d:
        region = d.config.gateway.region
        account_id = uuid.uuid4().hex
        channels = (
            *([_page(account_id)] if browser else ()),
            *map(_sip, sips),
            *(parse_number(n, region) for n in numbers),
        )
        if not channels:
            raise click.UsageError("name at least one --number or --sip, or --browser: where should calls lead?")
        made = Account(
            account_id=account_id,
            display_name=name,
            addresses=tuple(dict.fromkeys(_address(a) for a in (address, *aliases))),
            destinations=(
                Destination(name="default", display_name=name, channels=channels),
                *(_destination(o, region) for o in others),
            ),
            extra_numbers=tuple(parse_number(n, region).address for n in hidden),
            mode=Mode(mode),
            hide=Hide(hide),
            language=_one(language) or d.config.gateway.language,
            finds_language=language == AUTO,
            cards=cards,
            forwarding=Forwarding(forwarding) if forwarding else None,
            pin_in_mail=_yes(pin_in_mail),
            extensions=tuple(dict.fromkeys(_extension(e, region) for e in extensions)),
            notices_by=NoticesBy(notices),
            created_at=time.time(),
        )
        made = with_hours(made, hours, time_zone, rings_first)
        if verified:
            made = replace(made, destinations=tuple(_vouched(each) for each in made.destinations))
        elif browser:  # whoever has the page open has signed in
            own = replace(made.destinations[0], verified=frozenset({_page(account_id)}))
            made = replace(made, destinations=(own, *made.destinations[1:]))
        try:
            d.store.transact_now(lambda rows: accounts.insert(rows, d.sealer, made))
        except sqlite3.IntegrityError as error:
            given = ", ".join((*made.addresses, *made.extensions))
            raise MailgateError(f"one of {given} belongs to an account already") from error
        set_xmpp(d, made.account_id, xmpp)
    console.print(f"{made.addresses[0]} may now offer calls that lead to {', '.join(map(masked, channels))}.")
    if not verified:
        console.print(f"Nothing rings yet: `mailgate account verify {made.addresses[0]}`, or its owner on /my.")


@account.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """List all accounts, without their numbers.

    \b
    Example:
      mailgate account list
    """
    with desk(context) as d:
        found = d.store.read(lambda rows: accounts.everyone(rows, d.sealer))
    table = Table("Address", "Name", "Mode", "Hide", "Language", "Leads to")
    for each in found:
        leads = ", ".join(masked(c) for c in each.destinations[0].channels)
        language = f"{AUTO} ({each.language})" if each.finds_language else each.language
        table.add_row("\n".join(each.addresses), each.display_name, each.mode.value, each.hide.value, language, leads)
    console.print(table if found else "There is no account yet; `mailgate account add` makes one.")


@account.command()
@click.argument("address")
@click.option("--name", help="The name that recipients see and hear, in offers made from now on.")
@click.option("--mode", type=click.Choice([m.value for m in Mode]))
@click.option("--hide", type=click.Choice([h.value for h in Hide]))
@click.option("--language", type=click.Choice(SPOKEN), help="auto: each message's own.")
@click.option("--cards/--no-cards", default=None, help="Take the numbers out of attached vCards too.")
@click.option("--number", "numbers", multiple=True, help="Replaces the numbers that calls lead to.")
@click.option("--sip", "sips", multiple=True, help="Replaces the SIP addresses that calls lead to.")
@click.option("--browser/--no-browser", default=None, help=BROWSER_HELP)
@click.option("--forwarding", type=click.Choice([*(f.value for f in Forwarding), "default"]), help=FORWARDING)
@click.option("--pin-in-mail", type=click.Choice(["yes", "no", "default"]), help=PIN_IN_MAIL)
@click.option("--verified/--unverified", default=True, show_default=True, help=VERIFIED)
@hours_options
@xmpp_option
@click.option("--extension", "extensions", multiple=True, help="Replaces the extensions; 'none' takes them away.")
@click.option("--notices", type=click.Choice([n.value for n in NoticesBy]), help="How answers to offers come.")
@click.option("--note", is_flag=True, help="Tell the sender by mail once the next message went out with an offer.")
@click.pass_context
def change(
    context: click.Context,
    address: str,
    name: str | None,
    mode: str | None,
    hide: str | None,
    language: str | None,
    cards: bool | None,
    numbers: tuple[str, ...],
    sips: tuple[str, ...],
    browser: bool | None,
    forwarding: str | None,
    pin_in_mail: str | None,
    verified: bool,
    hours: str | None,
    time_zone: str | None,
    rings_first: bool | None,
    xmpp: str | None,
    extensions: tuple[str, ...],
    notices: str | None,
    note: bool,
) -> None:
    """Change the account of ADDRESS; what is not named stays.

    \b
    Example:
      mailgate account change ada@example.org --mode on-request
    """
    with desk(context) as d:
        seen = _find(d, address)
        first, *rest = seen.destinations
        region = d.config.gateway.region
        channels = _in_place(first.channels, *map(_sip, sips))
        channels = _in_place(channels, *(parse_number(n, region) for n in numbers))
        page = _page(seen.account_id)
        if browser is not None and browser != (page in channels):
            channels = (page, *channels) if browser else tuple(c for c in channels if c != page)
        if not channels:
            raise click.UsageError(f"{address} is reached by browser alone: name a --number or --sip as well")
        leads = replace(first, display_name=name or first.display_name, channels=channels)
        leads = replace(leads, verified=(leads.verified | {page}) & set(channels))
        if verified and (sips or numbers):
            leads = replace(leads, verified=leads.verified | set(channels) - set(first.channels))
        named = tuple(dict.fromkeys(_extension(e, region) for e in extensions if e != "none"))
        changed = replace(
            seen,
            display_name=name or seen.display_name,
            mode=Mode(mode) if mode else seen.mode,
            hide=Hide(hide) if hide else seen.hide,
            language=_one(language) or seen.language,
            finds_language=seen.finds_language if language is None else language == AUTO,
            cards=seen.cards if cards is None else cards,
            extensions=named if extensions else seen.extensions,
            notices_by=NoticesBy(notices) if notices else seen.notices_by,
            destinations=(leads, *rest),
            forwarding=_forwarding(forwarding) if forwarding else seen.forwarding,
            pin_in_mail=_yes(pin_in_mail) if pin_in_mail else seen.pin_in_mail,
        )
        changed = with_hours(changed, hours, time_zone, rings_first)
        try:
            d.store.transact_now(lambda rows: accounts.replace(rows, d.sealer, changed))
        except sqlite3.IntegrityError as error:
            raise MailgateError(f"one of {', '.join(changed.extensions)} belongs to an account already") from error
        set_xmpp(d, changed.account_id, xmpp)
        if note:
            d.store.transact_now(lambda rows: accounts.put_note(rows, changed.account_id, time.time()))
    console.print(f"Changed. Calls to {changed.display_name} lead to {', '.join(map(masked, channels))}.")


def _in_place(channels: tuple[Channel, ...], *named: Channel) -> tuple[Channel, ...]:
    """The channels with those of one kind named anew, where the first of that kind stood; all as they were for none."""
    if not named:
        return channels
    places = [n for n, c in enumerate(channels) if c.kind is named[0].kind] or [len(channels)]
    return (
        *channels[: places[0]],
        *named,
        *(c for c in channels[places[0] :] if c.kind is not named[0].kind),
    )


@account.command()
@click.argument("address")
@click.confirmation_option(prompt="Remove the account? Its offers stay, and end at their time.")
@click.pass_context
def remove(context: click.Context, address: str) -> None:
    """Remove the account of ADDRESS.

    \b
    Example:
      mailgate account remove ada@example.org --yes
    """
    with desk(context) as d:
        seen = _find(d, address)
        d.store.transact_now(lambda rows: accounts.remove(rows, seen.account_id))
    console.print(f"Removed the account of {', '.join(seen.addresses)}.")

"""`mailgate dkim`: the records for the DNS, and keys that follow one another without a gap."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import datetime

import click
import dns.exception
import dns.resolver
from rich.table import Table

from mailgate import config as configuration
from mailgate import dkim_files
from mailgate.cli.common import console, find_config
from mailgate.config.mail import Dkim
from mailgate.errors import MailgateError
from mailgate.keyfiles import read_secret, write_secret
from smtp_hooks import dkim_keys, dkim_rota
from smtp_hooks.dkim_rota import Entry, Rota, RotaError, State

EPILOG = """\b
Examples:
  mailgate dkim                  prints the records that belong into the DNS
  mailgate dkim rotate           makes the next key: put its record into the DNS as well
  mailgate dkim switch           looks for it there, and signs with it from now on; fails until it is there (cron)
  mailgate dkim list             says how long the earlier record has to stay
  mailgate dkim retire SELECTOR  then deletes the earlier key: take its record out of the DNS
A gateway that runs takes part within a second; nothing has to be restarted.
"""

_UNIT_S = {"h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_TIME = re.compile(r"(\d{1,4})\s?([hdw])")


class NotPublished(MailgateError):
    """The DNS does not hold the record yet."""


class Unclear(MailgateError):
    """The command could mean several keys, or none."""


class _When(click.ParamType):  # type: ignore[type-arg]
    """`3d`, `12h`, `2w` from now, or a date with or without a time, as the clock of this machine says it."""

    name = "WHEN"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> float:
        text = str(value)
        span = _TIME.fullmatch(text)
        if span is not None:
            return time.time() + int(span[1]) * _UNIT_S[span[2]]
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            self.fail(f"{text!r} is neither a date such as 2026-12-01 nor a time such as 3d", param, context)


def _section(context: click.Context) -> Dkim:
    section = configuration.load(find_config(context)).dkim
    if not section.keys:
        raise Unclear("no domain is signed for: name its first key in [[dkim.keys]]")
    return section


def _print_record(section: Dkim, entry: Entry) -> None:
    pem = read_secret(dkim_files.key_path(section, entry)).encode("ascii")
    click.echo(dkim_keys.zone_line(entry.domain, entry.selector, pem))


@click.group(epilog=EPILOG, invoke_without_command=True)
@click.pass_context
def dkim(context: click.Context) -> None:
    """Print the DNS records that have to be published; or rotate the keys by the commands below."""
    if context.invoked_subcommand is not None:
        return
    section = configuration.load(find_config(context)).dkim
    now = time.time()
    for entry in dkim_files.whole(section, dkim_files.read(section)):
        if entry.state(now) is not State.DONE:
            _print_record(section, entry)


@dkim.command()
@click.option("--domain", help="Otherwise the only one that there is.")
@click.option("--selector", help="Otherwise made of the date.")
@click.option("--type", "algorithm", type=click.Choice(dkim_rota.ALGORITHMS), help="Otherwise that of the key before.")
@click.option("--from", "at", type=_When(), help="Sign with it from then on (3d, 2026-12-01), whatever the DNS holds.")
@click.option("--keep", default="7d", show_default=True, help="With --from: how long the earlier record stays.")
@click.pass_context
def rotate(
    context: click.Context,
    domain: str | None,
    selector: str | None,
    algorithm: str | None,
    at: float | None,
    keep: str,
) -> None:
    """Make the next key of a domain and print its record. It signs nothing before `mailgate dkim switch`, or the time
    given by --from.

    \b
    Examples:
      mailgate dkim rotate
      mailgate dkim rotate --domain example.org --from 3d
    """
    section, now = _section(context), time.time()
    rota = dkim_files.whole(section, dkim_files.read(section))
    chosen = _domain(section, domain)
    kinds = [entry.algorithm for entry in dkim_rota.signing(rota, now) if entry.domain == chosen]
    for kind in (algorithm,) if algorithm else dict.fromkeys(kinds):
        name = selector or _selector(rota, chosen, kind, now)
        made = Entry(domain=chosen, selector=name, algorithm=kind, key_file=f"{chosen}.{name}.pem", made_at=now)
        try:
            rota = dkim_rota.add(rota, made, now)
        except RotaError as error:
            raise MailgateError(str(error)) from error
        pem = dkim_keys.generate() if kind == "rsa" else dkim_keys.generate_ed25519()
        write_secret(dkim_files.key_path(section, made), pem.decode("ascii"))
        dkim_files.like(dkim_files.key_path(section, made), section)
        _print_record(section, made)
        if at is not None:
            rota = dkim_rota.switch(rota, made, at=at, keep_s=_seconds(keep))
    dkim_files.write(section, rota)
    if at is None:
        click.echo("Put this into the DNS, then run `mailgate dkim switch`. Until then nothing changes.", err=True)
    else:
        click.echo(f"Put this into the DNS well before {_day(at)}: from then on it signs.", err=True)


@dkim.command()
@click.option("--domain", help="Otherwise all that have a key waiting.")
@click.option("--keep", default="7d", show_default=True, help="How long the earlier record has to stay published.")
@click.option("--unseen", is_flag=True, help="Without looking into the DNS.")
@click.option("--nameserver", help="ADDRESS[:PORT] to ask; otherwise those of the system.")
@click.pass_context
def switch(context: click.Context, domain: str | None, keep: str, unseen: bool, nameserver: str | None) -> None:
    """Sign with the next key from now on, if the DNS holds its record; fails, and changes nothing, while it does not.

    \b
    Examples:
      mailgate dkim switch
      mailgate dkim switch --nameserver 192.0.2.53 --keep 14d
    """
    section, now = _section(context), time.time()
    rota = dkim_files.whole(section, dkim_files.read(section))
    next_ones = [e for e in rota if e.state(now) is State.NEXT and (domain is None or e.domain == domain.lower())]
    if not next_ones:
        raise Unclear("no key is waiting; `mailgate dkim rotate` makes one")
    resolver = _resolver(nameserver)
    for entry in next_ones:
        fault = "" if unseen else _fault(section, entry, resolver)
        if fault:
            raise NotPublished(f"{entry.name} {fault}; `mailgate dkim` prints what belongs there. Nothing is changed")
        rota = dkim_rota.switch(rota, entry, at=now, keep_s=_seconds(keep))
    dkim_files.write(section, rota)
    for entry in next_ones:
        console.print(f"{entry.name} signs from now on.")
    for entry in rota:
        if entry.signs_until == now:
            console.print(
                f"{entry.name} has signed for the last time. Leave its record until {_day(entry.published_until)}."
            )


@dkim.command("list")
@click.option("--dns", "look", is_flag=True, help="Look into the DNS what is published.")
@click.option("--nameserver", help="ADDRESS[:PORT] to ask; otherwise those of the system.")
@click.pass_context
def list_(context: click.Context, look: bool, nameserver: str | None) -> None:
    """List the keys, what each is doing, and what comes next.

    \b
    Example:
      mailgate dkim list --dns
    """
    section, now = _section(context), time.time()
    table = Table("Domain", "Selector", "Type", "State", "What comes", *(["In the DNS"] if look else []))
    resolver = _resolver(nameserver)
    for entry in dkim_files.whole(section, dkim_files.read(section)):
        row = [entry.domain, entry.selector, entry.algorithm, entry.state(now).value, _outlook(entry, now)]
        table.add_row(*row, *([_fault(section, entry, resolver) or "as it should be"] if look else []))
    console.print(table)


@dkim.command()
@click.argument("selector")
@click.option("--domain", help="Otherwise the only one that there is.")
@click.option("--early", is_flag=True, help="Although it has to stay published: a key that fell into wrong hands.")
@click.pass_context
def retire(context: click.Context, selector: str, domain: str | None, early: bool) -> None:
    """Delete a key that has signed for the last time, and say which record can go.

    \b
    Example:
      mailgate dkim retire mailgate
    """
    section, now = _section(context), time.time()
    rota = dkim_files.whole(section, dkim_files.read(section))
    try:
        entry = dkim_rota.find(rota, _domain(section, domain), selector)
        left = dkim_rota.retire(rota, entry, now=now, early=early)
    except RotaError as error:
        raise MailgateError(str(error)) from error
    dkim_files.write(section, left)
    dkim_files.key_path(section, entry).unlink(missing_ok=True)
    console.print(f"The key is deleted. Take {entry.name} out of the DNS, or leave it with an empty p= (revoked).")


def _domain(section: Dkim, named: str | None) -> str:
    domains = list(dict.fromkeys(key.domain.lower().rstrip(".") for key in section.keys))
    if named is None and len(domains) > 1:
        raise Unclear(f"name one of the domains with --domain: {', '.join(domains)}")
    if named is not None and named.lower() not in domains:
        raise Unclear(f"{named} is not signed for: name its first key in [[dkim.keys]]")
    return named.lower() if named else domains[0]


def _selector(rota: Rota, domain: str, algorithm: str, now: float) -> str:
    """`s20261122`, for Ed25519 `e20261122`; with a letter behind it where that is taken."""
    base = time.strftime("s%Y%m%d" if algorithm == "rsa" else "e%Y%m%d", time.gmtime(now))
    taken = {entry.selector for entry in rota if entry.domain == domain}
    return next(name for name in (base, *(f"{base}{c}" for c in "bcdefghijklmnopqrstuvwxyz")) if name not in taken)


def _seconds(text: str) -> float:
    span = _TIME.fullmatch(text)
    if span is None:
        raise click.UsageError(f"{text!r} is not a time such as 7d, 12h or 2w")
    return int(span[1]) * _UNIT_S[span[2]]


def _day(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _outlook(entry: Entry, now: float) -> str:
    match entry.state(now):
        case State.NEXT if entry.signs_from is None:
            return "publish it, then `mailgate dkim switch`"
        case State.NEXT:
            return f"signs from {_day(entry.signs_from)}"
        case State.SIGNING if entry.signs_until is None:
            return ""
        case State.SIGNING:
            return f"signs until {_day(entry.signs_until)}"
        case State.LEAVING:
            return f"stays published until {_day(entry.published_until)}"
        case State.DONE:
            return f"`mailgate dkim retire {entry.selector}`"


def _resolver(nameserver: str | None) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=nameserver is None)
    if nameserver is not None:
        address, _, port = nameserver.partition(":") if nameserver.count(":") == 1 else (nameserver, "", "")
        try:
            resolver.nameservers, resolver.port = [address], int(port or 53)
        except ValueError as error:
            raise click.UsageError(f"{nameserver!r} is not an address such as 192.0.2.53 or 127.0.0.1:5353") from error
    resolver.lifetime = 10
    return resolver


def _fault(section: Dkim, entry: Entry, resolver: dns.resolver.Resolver) -> str:
    """What is wrong with its record in the DNS; empty where nothing is."""
    pem = read_secret(dkim_files.key_path(section, entry)).encode("ascii")
    try:
        found = [b"".join(each.strings).decode("latin-1") for each in resolver.resolve(entry.name, "TXT")]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return "is not in the DNS"
    except dns.exception.DNSException as error:
        return f"cannot be looked up ({error})"
    if _public(dkim_keys.dns_record(pem)) in map(_public, found):
        return "" if len(found) == 1 else "has several TXT records"
    return "holds another key"


def _public(record: str) -> Sequence[str]:
    """The tags that count, without blanks (RFC 6376, 3.6.1)."""
    tags = dict(tag.strip().partition("=")[::2] for tag in "".join(record.split()).split(";") if tag)
    return tags.get("k", "rsa"), tags.get("p", "")

"""Keys for programs, webhooks, verified telephones and forwarding, as an administrator handles them."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mailgate.accounts.model import Account
from mailgate.cli import group
from mailgate.errors import MailgateError
from mailgate.keyfiles import load_ring
from mailgate.offers.forwarding import Forwarding
from mailgate.offers.notice import Kind, Notice
from mailgate.store import accounts, outbox, webhooks
from mailgate.store.database import Store
from mailgate.store.seal import Sealer

ADA = "ada@example.org"


class Admin:
    """A fresh gateway's folder, and its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def types(self, *words: str) -> str:
        """What the command prints; raises what it raises."""
        done = CliRunner().invoke(group, ["--config", str(self.folder / "mailgate.toml"), *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code != 0:
            raise click.ClickException(done.output)
        return done.stdout

    def sees(self) -> tuple[Account, list[Notice], list[webhooks.Entry]]:
        """Ada's account, the notices that wait, her events."""
        sealer = Sealer(load_ring(self.folder / "keys" / "number.keys"))
        store = Store(self.folder / "mailgate.db")
        account = store.read(lambda rows: accounts.by_address(rows, sealer, ADA))
        assert account is not None
        notices = [notice for notice, _ in store.read(lambda rows: outbox.due(rows, sealer, 1e12, 99))]
        entries = store.read(lambda rows: webhooks.entries(rows, account.account_id, None, 99))
        store.close()
        return account, notices, entries


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    admin = Admin(tmp_path / "etc")
    admin.types(
        *("init", str(admin.folder), "--domain", "example.org", "--number", "+33 1 99 00 00 00"),
        *("--url", "https://call.example.org"),
    )
    return admin


def add(admin: Admin, *options: str) -> str:
    return admin.types("account", "add", ADA, "--name", "Ada Lovelace", "--number", "01 99 00 12 34", *options)


def test_a_key_is_shown_once_listed_by_its_prefix_and_revoked(admin: Admin) -> None:
    add(admin)
    key = admin.types("keys", "api", "add", ADA, "--label", "the shop").strip()
    assert re.fullmatch(r"mg_[0-9a-f]{8}_[A-Za-z0-9_-]{32}", key)
    listed = admin.types("keys", "api", "list")
    assert key[3:11] in listed and "the shop" in listed and ADA in listed and key[12:] not in listed
    admin.types("keys", "api", "revoke", key[:11])
    with pytest.raises(MailgateError, match="no key"):
        admin.types("keys", "api", "revoke", key[3:11])
    with pytest.raises(MailgateError, match="no account"):
        admin.types("keys", "api", "add", "nobody@example.org")


def test_what_an_administrator_enters_is_vouched_for_unless_he_says_not(admin: Admin) -> None:
    assert "vouch" in admin.types("account", "add", "--help").lower()
    add(admin)
    assert admin.sees()[0].destinations[0].is_verified
    admin.types("account", "remove", ADA, "--yes")
    assert "Nothing rings yet" in add(admin, "--unverified", "--sip", "ada@sip.example")
    account, _, _ = admin.sees()
    assert account.destinations[0].verified == frozenset()


def test_a_new_number_is_verified_or_not_and_the_others_stay(admin: Admin) -> None:
    add(admin)
    admin.types("account", "change", ADA, "--number", "01 99 00 12 34", "--number", "01 99 00 77 77", "--unverified")
    [destination] = admin.sees()[0].destinations
    assert [c in destination.verified for c in destination.channels] == [True, False]
    admin.types("account", "change", ADA, "--mode", "on-request")
    assert not admin.sees()[0].destinations[0].is_verified  # changing something else vouches for nothing
    assert "no" in admin.types("account", "verify", ADA)
    admin.types("account", "verify", ADA, "--vouch")
    assert admin.sees()[0].destinations[0].is_verified


def test_a_code_is_asked_for_and_typed(admin: Admin) -> None:
    add(admin, "--unverified")
    assert "…34" in admin.types("account", "verify", ADA, "--send")
    [notice] = admin.sees()[1]
    assert (notice.kind, notice.address) == (Kind.SPOKEN_CODE, "tel:+33199001234")
    with pytest.raises(MailgateError, match="no code was sent"):
        admin.types("account", "verify", ADA, "--send")
    wrong = f"{(int(notice.values['code']) + 1) % 1_000_000:06}"
    with pytest.raises(MailgateError, match="not the code"):
        admin.types("account", "verify", ADA, "--code", wrong)
    admin.types("account", "verify", ADA, "--code", notice.values["code"])
    assert admin.sees()[0].destinations[0].is_verified
    with pytest.raises(MailgateError, match="rings already"):
        admin.types("account", "verify", ADA, "--send")


def test_an_address_elsewhere_is_mailed_its_code(admin: Admin) -> None:
    add(admin, "--unverified", "--sip", "ada@sip.example:5070")
    with pytest.raises(MailgateError, match="several"):
        admin.types("account", "verify", ADA, "--send")
    admin.types("account", "verify", ADA, "--send", "--channel", "sip:ada@sip.example:5070")
    [notice] = admin.sees()[1]
    assert (notice.kind, notice.address) == (Kind.CHANNEL_CODE, "ada@sip.example")
    with pytest.raises(MailgateError, match="no destination"):
        admin.types("account", "verify", ADA, "--vouch", "--channel", "01 99 00 99 99")


def test_an_account_has_its_own_forwarding_policy_or_the_gateway_s(admin: Admin) -> None:
    add(admin, "--forwarding", "verify")
    assert admin.sees()[0].forwarding is Forwarding.VERIFY
    admin.types("account", "change", ADA, "--name", "Ada King")
    assert admin.sees()[0].forwarding is Forwarding.VERIFY
    admin.types("account", "change", ADA, "--forwarding", "default")
    assert admin.sees()[0].forwarding is None


def test_an_account_shows_the_pin_in_its_messages_or_not_or_as_the_gateway_says(admin: Admin) -> None:
    add(admin, "--pin-in-mail", "yes")
    assert admin.sees()[0].pin_in_mail is True
    admin.types("account", "change", ADA, "--name", "Ada King")
    assert admin.sees()[0].pin_in_mail is True
    for word, meant in (("no", False), ("default", None)):
        admin.types("account", "change", ADA, "--pin-in-mail", word)
        assert admin.sees()[0].pin_in_mail is meant


def test_a_webhook_from_its_making_to_its_end(admin: Admin) -> None:
    add(admin)
    with pytest.raises(MailgateError, match="no webhook"):
        admin.types("account", "webhook", "test", ADA)
    secret = admin.types("account", "webhook", "set", ADA, "https://shop.example.org/calls").strip()
    assert secret.startswith("whsec_")
    assert "on" in admin.types("account", "webhook", "show", ADA)
    admin.types("account", "webhook", "test", ADA)
    assert [entry.type for entry in admin.sees()[2]] == ["webhook.test"]
    assert "webhook.test" in admin.types("account", "webhook", "events", ADA, "--state", "waiting")
    assert "no such event" in admin.types("account", "webhook", "events", ADA, "--state", "dead")
    assert "0 tried" in admin.types("account", "webhook", "retry", ADA)
    assert admin.types("account", "webhook", "rotate", ADA).strip() not in ("", secret)
    admin.types("account", "webhook", "remove", ADA)
    assert admin.sees()[2] == []
    with pytest.raises(MailgateError, match="no webhook"):
        admin.types("account", "webhook", "rotate", ADA)


@pytest.mark.parametrize(
    "url", ["http://shop.example.org/", "ftp://shop.example.org/", "https://u:p@shop.example.org/"]
)
def test_a_url_that_is_none_is_refused_when_it_is_entered(admin: Admin, url: str) -> None:
    add(admin)
    with pytest.raises(click.ClickException):
        admin.types("account", "webhook", "set", ADA, url)


def test_the_events_of_a_removed_account_go_with_it(admin: Admin) -> None:
    add(admin)
    admin.types("account", "webhook", "set", ADA, "https://shop.example.org/calls")
    admin.types("account", "webhook", "test", ADA)
    admin.types("keys", "api", "add", ADA)
    admin.types("account", "remove", ADA, "--yes")
    assert "There is no key" in admin.types("keys", "api", "list")
    add(admin)
    assert admin.sees()[2] == []

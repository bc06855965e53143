"""The command line as an administrator uses it: each command by itself, on a fresh folder."""

from __future__ import annotations

import re
import wave
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mailgate.accounts.model import Account, Mode
from mailgate.calls.model import Channel, Kind
from mailgate.cli import group
from mailgate.cli.recording import NoRecording
from mailgate.errors import ConfigError, MailgateError
from mailgate.keyfiles import load_ring
from mailgate.offers.fresh import fresh
from mailgate.offers.offer import Offer, Terms
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from tokens import coupon

INIT = ("--domain", "example.org", "--number", "+33 1 99 00 00 00", "--url", "https://call.example.org")


class Admin:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def types(self, *words: str, given: str | None = None) -> str:
        """What the command prints; raises what it raises."""
        done = CliRunner().invoke(group, ["--config", str(self.folder / "mailgate.toml"), *words], input=given)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code != 0:
            raise click.ClickException(done.output)
        return " ".join(done.output.split())


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    admin = Admin(tmp_path / "etc")
    admin.types("init", str(admin.folder), *INIT)
    return admin


@pytest.fixture
def offer(admin: Admin) -> tuple[str, str]:
    """Id and token of an offer by Ada, as the store has it."""
    admin.types("account", "add", "ada@example.org", "--name", "Ada Lovelace", "--number", "01 99 00 12 34")
    ring = load_ring(admin.folder / "keys" / "token.keys")
    sealer = Sealer(load_ring(admin.folder / "keys" / "number.keys"))
    offer_id = "0123456789abcdef0123456789abcdef"
    token = coupon.mint(ring.newest, offer_id=offer_id, purpose=coupon.Purpose.ACCEPT)
    made = Offer(
        offer_id=offer_id,
        terms=Terms(
            account_id="a",
            offeror_name="Ada Lovelace",
            destination_name="Ada Lovelace",
            destination=(Channel(Kind.TEL, "+33199001234"),),
            offeree_address="ben@example.net",
            message_id="<1@example.org>",
        ),
        created_at=1.0,
        expires_at=4e9,
    )
    store = Store(admin.folder / "mailgate.db")
    new = fresh(made, fingerprint=coupon.fingerprint(token), key_id=ring.newest.key_id)
    store.transact_now(lambda rows: rows_of.insert(rows, sealer, [new]))
    store.close()
    return offer_id, token


def test_init_makes_everything_that_check_wants(admin: Admin) -> None:
    assert "good" in admin.types("check")
    for name in ("keys/token.keys", "keys/number.keys", "keys/ami.secret", "keys/dkim.example.org.pem", "mailgate.db"):
        assert (admin.folder / name).stat().st_mode & 0o007 == 0


def test_init_prints_the_record_to_publish(tmp_path: Path) -> None:
    printed = Admin(tmp_path).types("init", str(tmp_path / "etc"), *INIT)
    assert "mailgate._domainkey.example.org. IN TXT" in printed and "v=DKIM1; k=rsa; p=" in printed


def test_every_key_of_the_written_file_is_explained_and_right_at_its_default(admin: Admin) -> None:
    path = admin.folder / "mailgate.toml"
    text = path.read_text()
    uncommented = re.sub(r"(?m)^# ([a-z_]+ = .+)$", r"\1", text)
    path.write_text(re.sub(r"(?m)^(jid = )", r"# \1", uncommented))  # a component, or a client account
    secret = admin.folder / "keys" / "xmpp.secret"
    secret.write_text("long-enough")
    secret.chmod(0o600)
    assert "good" in admin.types("check")


def test_the_trunk_of_the_written_file_becomes_one_of_asterisks(admin: Admin) -> None:
    """Its example, uncommented, with a password of its own; and no second way to name a provider."""
    path = admin.folder / "mailgate.toml"
    text = re.sub(r"(?m)^#   (\[\[trunk\]\]|[a-z_]+ = .+)$", r"\1", path.read_text())
    path.write_text(text)
    secret = admin.folder / "keys" / "provider.secret"
    secret.write_text("its!pass#word\n")
    secret.chmod(0o600)
    assert "good" in admin.types("check")
    printed = admin.types("deploy", "asterisk")
    assert "[provider](mailgate-hidden)" in printed
    assert "password=its!pass#word" in printed
    assert "client_uri=sip:4711@sip.example.net" in printed
    with pytest.raises(click.ClickException, match="--provider"):
        admin.types("deploy", "asterisk", "--provider", "sip.example.org")


def test_a_recorded_name_is_kept_and_taken_back(admin: Admin, tmp_path: Path) -> None:
    admin.types("account", "add", "ada@example.org", "--name", "Ada Lovelace", "--number", "01 99 00 12 34")
    sound = tmp_path / "ada.wav"
    with wave.open(str(sound), "wb") as sink:
        sink.setparams((1, 2, 16_000, 0, "NONE", ""))
        sink.writeframes(bytes(32_000))
    assert "1.0 seconds" in admin.types("account", "recording", "ada@example.org", str(sound))
    assert len(list((admin.folder / "sounds" / "names").glob("*.wav"))) == 1
    assert "spoken again" in admin.types("account", "recording", "ada@example.org", "--remove")
    with pytest.raises(NoRecording, match="no recording"):
        admin.types("account", "recording", "ada@example.org", "--remove")
    sound.write_bytes(b"ID3")
    with pytest.raises(NoRecording, match="WAV"):
        admin.types("account", "recording", "ada@example.org", str(sound))


def test_init_overwrites_nothing_and_leaves_nothing_half_done(admin: Admin, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="left as it is"):
        admin.types("init", str(admin.folder), *INIT)
    with pytest.raises(ConfigError, match="https://"):
        admin.types("init", str(tmp_path / "new"), *INIT[:-1], "call.example.org")
    assert not (tmp_path / "new" / "mailgate.toml").exists()


def test_check_names_a_secret_that_everybody_may_read(admin: Admin) -> None:
    (admin.folder / "keys" / "token.keys").chmod(0o644)
    with pytest.raises(ConfigError, match=r"token\.keys: everybody may read it"):
        admin.types("check")


def test_check_wants_the_secret_of_instant_messages(admin: Admin) -> None:
    path = admin.folder / "mailgate.toml"
    path.write_text(re.sub(r"(?m)^\[xmpp\]$", '[xmpp]\ncomponent = "calls.example.org"', path.read_text()))
    with pytest.raises(ConfigError, match=r"xmpp\.secret"):
        admin.types("check")


def test_accounts_are_added_listed_changed_and_removed_and_numbers_stay_hidden(admin: Admin) -> None:
    added = admin.types(
        *("account", "add", "ada@example.org", "--name", "Ada Lovelace", "--number", "01 99 00 12 34"),
        *("--sip", "ada", "--alias", "countess@example.org"),
    )
    listed = admin.types("account", "list")
    assert "sip:ada" in added and "Ada Lovelace" in listed and "countess@example.org" in listed
    assert "0012" not in (added + listed).replace(" ", "")
    admin.types("account", "change", "countess@example.org", "--mode", "on-request")
    assert "on-request" in admin.types("account", "list")
    admin.types("account", "remove", "ada@example.org", "--yes")
    assert "no account yet" in admin.types("account", "list")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("ada@", "--name", "Ada", "--number", "0199001234"), "something after the @"),
        (("ada@example.org", "--name", "Ada", "--number", "12"), "too few"),
        (("ada@example.org", "--name", "Ada", "--number", "Ada"), "not a telephone number"),
        (("ada@example.org", "--name", "Ada"), "--number or --sip"),
        (("ada@example.org", "--name", "Ada", "--sip", "a b"), "not a SIP user"),
        (("ada@example.org", "--name", "Ada", "--sip", "ada", "--destination", "x"), "support=Support team"),
    ],
)
def test_what_an_account_cannot_be_made_of_is_said(admin: Admin, words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(click.ClickException) as caught:
        admin.types("account", "add", *words)
    assert reason in " ".join(re.sub("[│╭╮╰╯─]", " ", str(caught.value)).split())


def test_an_address_cannot_belong_to_two(admin: Admin) -> None:
    admin.types("account", "add", "ada@example.org", "--name", "Ada", "--sip", "ada")
    with pytest.raises(MailgateError, match="belongs to an account already"):
        admin.types("account", "add", "eve@example.org", "--name", "Eve", "--sip", "eve", "--alias", "ADA@example.org")
    with pytest.raises(MailgateError, match="account list"):
        admin.types("account", "change", "nobody@example.org", "--name", "x")


def test_offers_are_listed_explained_and_revoked(admin: Admin, offer: tuple[str, str]) -> None:
    offer_id, token = offer
    assert "ben@example.net" in admin.types("offers")
    for name in (offer_id, token, f"https://call.example.org/a/{token}"):
        told = admin.types("explain", name)
        assert offer_id in told and "open" in told and "<1@example.org>" in told and "0012" not in told
    assert "Revoked" in admin.types("offers", "revoke", offer_id)
    assert "revoked" in admin.types("explain", token)
    assert "no such offer" in admin.types("offers", "--state", "open")


def test_an_address_book_holds_numbers_that_are_not_shown(admin: Admin) -> None:
    admin.types("account", "add", "ada@example.org", "--name", "Ada", "--sip", "ada")
    book = ("account", "book")
    assert "empty" in admin.types(*book, "list", "ada@example.org")
    told = admin.types(*book, "put", "ada@example.org", "Ben@example.net", "01 99 00 00 02")
    listed = admin.types(*book, "list", "ada@example.org")
    assert "ben@example.net" in listed and "…02" in listed and "0000" not in (told + listed).replace(" ", "")
    assert b"199000002" not in (admin.folder / "mailgate.db").read_bytes()
    admin.types(*book, "remove", "ada@example.org", "ben@example.net")
    with pytest.raises(MailgateError, match="no entry"):
        admin.types(*book, "remove", "ada@example.org", "ben@example.net")
    admin.types(*book, "put", "ada@example.org", "ben@example.net", "01 99 00 00 02")
    admin.types("account", "remove", "ada@example.org", "--yes")


def test_hours_are_set_kept_and_judged(admin: Admin) -> None:
    words = ("--hours", "Mon-Fri 9-12,13:30-18", "--time-zone", "Europe/Paris", "--rings-first")
    admin.types("account", "add", "ada@example.org", "--name", "Ada", "--sip", "ada", *words)

    def account() -> Account:
        store, sealer = Store(admin.folder / "mailgate.db"), Sealer(load_ring(admin.folder / "keys" / "number.keys"))
        found = store.read(lambda rows: accounts.by_address(rows, sealer, "ada@example.org"))
        store.close()
        assert found is not None
        return found

    kept = account()
    assert (kept.hours, kept.time_zone, kept.rings_first) == ("Mon-Fri 9-12,13:30-18", "Europe/Paris", True)
    admin.types("account", "change", "ada@example.org", "--mode", "on-request")
    assert account() == replace(kept, mode=Mode.ON_REQUEST), "what is not named stays"
    admin.types("account", "change", "ada@example.org", "--hours", "", "--rings-second")
    assert (account().hours, account().time_zone, account().rings_first) == ("", "Europe/Paris", False)
    for wrong, why in ((("--hours", "Mon-Fry 9-18"), "is no day"), (("--time-zone", "Paris"), "no time zone")):
        with pytest.raises(click.ClickException, match=why):
            admin.types("account", "change", "ada@example.org", *wrong)


@pytest.mark.parametrize("who", ["Ben@example.net", "01 99 00 00 02"])
def test_who_asks_for_it_is_left_alone_until_that_is_lifted(admin: Admin, who: str) -> None:
    assert "no more" in admin.types("suppress", who)
    assert "again" in admin.types("suppress", who, "--lift")
    with pytest.raises(MailgateError, match="not suppressed"):
        admin.types("suppress", who, "--lift")


def test_a_suppressed_recipient_is_explained(admin: Admin, tmp_path: Path) -> None:
    admin.types("account", "add", "ada@example.org", "--name", "Ada", "--sip", "ada")
    letter = tmp_path / "letter.eml"
    letter.write_text("From: ada@example.org\nTo: ben@example.net\n\nhello\n")
    assert "(offered)" in admin.types("explain", str(letter))
    admin.types("suppress", "ben@example.net")
    assert "(passed: suppressed)" in admin.types("explain", str(letter))


@pytest.mark.parametrize("name", ["f" * 32, "nonsense", "A" * 36])
def test_an_unknown_offer_is_said_to_be_so(admin: Admin, name: str) -> None:
    with pytest.raises(MailgateError):
        admin.types("explain", name)


def test_a_rotated_key_signs_and_the_earlier_one_is_understood(admin: Admin, offer: tuple[str, str]) -> None:
    assert "now 2 keys" in admin.types("keys", "rotate", "token")
    assert offer[0] in admin.types("explain", offer[1])
    assert load_ring(admin.folder / "keys" / "token.keys").newest.key_id.startswith("t2")


def test_deploy_prints_what_others_need(admin: Admin) -> None:
    assert "127.0.0.1:10025" in admin.types("deploy", "postfix")
    secret = (admin.folder / "keys" / "ami.secret").read_text().strip()
    assert secret in admin.types("deploy", "asterisk", "--provider", "sip.example.net", "--user", "ada:a-long-password")
    unit = admin.types("deploy", "systemd")
    assert f"--config {admin.folder / 'mailgate.toml'} serve" in unit and "Type=notify" in unit


def every_command() -> list[tuple[str, ...]]:
    def below(command: click.Command, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        found = [words]
        if isinstance(command, click.Group):
            for name, each in command.commands.items():
                found += below(each, (*words, name))
        return found

    return below(group, ())


@pytest.mark.parametrize("words", every_command(), ids=lambda w: " ".join(w) or "mailgate")
def test_every_command_helps_with_an_example(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(group, [*words, "--help"])
    assert done.exit_code == 0
    assert re.search(r"Examples?:\s+mailgate", done.output)


def test_an_account_finds_the_language_and_clears_cards(admin: Admin) -> None:
    admin.types("account", "add", "ada@example.org", "--name", "Ada", "--sip", "ada", "--language", "auto", "--cards")
    assert "auto (en)" in admin.types("account", "list")
    admin.types("account", "change", "ada@example.org", "--language", "ja", "--no-cards")
    assert "auto" not in admin.types("account", "list")
    admin.types("account", "change", "ada@example.org", "--language", "auto")
    assert "auto (ja)" in admin.types("account", "list")

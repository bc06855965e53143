"""Several recipients in one transaction: each gets a copy and an offer of its own, and the client one true reply."""

from __future__ import annotations

import asyncio
import contextlib
import email
import socket
import sqlite3
from collections.abc import AsyncIterator
from email.policy import SMTP
from pathlib import Path

import pytest
import pytest_asyncio
from lab.gateway import Gateway
from smtp_gateway import ADA, Hop, letter, links, running, send

BEN, CAT, DAN = (f"{name}@example.net" for name in ("ben", "cat", "dan"))
LATER = "451 4.2.1 mailbox busy"
NEVER = "550 5.7.1 not wanted here"
LOOP = pytest.mark.asyncio(loop_scope="module")
Pair = tuple[Gateway, Hop]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with running(tmp_path_factory.mktemp("split")) as pair:
        yield pair


@pytest.fixture
def gateway(pair: Pair) -> Gateway:
    return pair[0]


@pytest.fixture
def hop(pair: Pair) -> Hop:
    """The next hop, as new."""
    pair[1].taken.clear()
    pair[1].at_rcpt.clear()
    pair[1].after_data.clear()
    return pair[1]


def notes(gateway: Gateway) -> int:
    """How many deliveries are remembered, by the store's own file."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.folder / 'mailgate.db'}?mode=ro", uri=True)) as store:
        (count,) = store.execute("SELECT count(*) FROM delivery_notes").fetchone()
    return int(count)


@LOOP
async def test_each_recipient_gets_a_copy_with_an_offer_of_its_own(gateway: Gateway, hop: Hop) -> None:
    replies = await send(gateway, letter("<own@x>"), BEN, CAT, DAN)
    assert [code for code, _ in replies] == [250] * 4
    assert hop.counts("ben", "cat", "dan") == [1, 1, 1]
    assert len(hop.taken) == 3
    offered = [links(message) for message in hop.taken]
    assert [len(each) for each in offered] == [1, 1, 1]
    assert len(set.union(*offered)) == 3
    assert notes(gateway) == 0


@LOOP
async def test_one_message_for_those_who_get_no_offer(gateway: Gateway, hop: Hop) -> None:
    await send(gateway, letter("<nobody@x>"), BEN, "no-reply@example.net", "list-request@example.net")
    assert [len(message.rcpt) for message in hop.taken] == [1, 2] or [len(m.rcpt) for m in hop.taken] == [2, 1]
    assert len(links(hop.of(BEN)[0])) == 1
    assert hop.of("no-reply@example.net")[0].content == letter("<nobody@x>")


@LOOP
async def test_a_stranger_s_message_is_not_split(gateway: Gateway, hop: Hop) -> None:
    await send(gateway, letter("<eve@x>"), BEN, CAT, sender="eve@example.org")
    assert [len(message.rcpt) for message in hop.taken] == [2]
    assert hop.taken[0].content == letter("<eve@x>")


@LOOP
async def test_replies_to_recipients_are_the_next_hop_s_own(gateway: Gateway, hop: Hop) -> None:
    hop.at_rcpt = {CAT: ["550 5.1.1 nobody here"], DAN: ["452 4.2.2 full"]}
    replies = await send(gateway, letter("<rcpt@x>"), BEN, CAT, DAN)
    assert replies[1:3] == [(550, "5.1.1 nobody here"), (452, "4.2.2 full")]
    assert replies[3][0] == 250
    assert hop.counts("ben", "cat", "dan") == [1, 0, 0]


@LOOP
@pytest.mark.parametrize("how", [LATER, "421 4.3.2 going down", ""], ids=["451", "421", "cut"])
async def test_after_a_partial_failure_the_retry_delivers_what_is_missing(gateway: Gateway, hop: Hop, how: str) -> None:
    message = letter(f"<partial{how[:3]}@x>")
    hop.after_data = {CAT: [how, how]}
    for _ in range(2):
        *_, (code, text) = await send(gateway, message, BEN, CAT, DAN)
        assert code == 451, text
        assert hop.counts("ben", "cat", "dan") == [1, 0, 1]
        assert notes(gateway) == 2
    assert (await send(gateway, message, BEN, CAT, DAN))[-1][0] == 250
    assert hop.counts("ben", "cat", "dan") == [1, 1, 1]
    assert notes(gateway) == 0
    offered = [links(taken) for taken in hop.taken]
    assert len(set.union(*offered)) == 3
    # Now it is complete: the same again is meant.
    assert (await send(gateway, message, BEN, CAT, DAN))[-1][0] == 250
    assert hop.counts("ben", "cat", "dan") == [2, 2, 2]


@LOOP
async def test_a_note_outlives_the_gateway(gateway: Gateway, hop: Hop) -> None:
    hop.after_data = {CAT: [LATER]}
    assert (await send(gateway, letter("<killed@x>"), BEN, CAT))[-1][0] == 451
    await asyncio.to_thread(gateway.kill)
    await asyncio.to_thread(gateway.start)
    assert (await send(gateway, letter("<killed@x>"), BEN, CAT))[-1][0] == 250
    assert hop.counts("ben", "cat") == [1, 1]
    assert notes(gateway) == 0


@LOOP
async def test_a_retry_for_some_of_the_recipients(gateway: Gateway, hop: Hop) -> None:
    """A client that splits the second time: each part relies on its own note only."""
    message = letter("<some@x>")
    hop.after_data = {CAT: [LATER]}
    await send(gateway, message, BEN, CAT, DAN)
    for recipients, expected in (((CAT,), [1, 1, 1]), ((BEN,), [1, 1, 1]), ((DAN,), [1, 1, 1]), ((DAN,), [1, 1, 2])):
        assert (await send(gateway, message, *recipients))[-1][0] == 250
        assert hop.counts("ben", "cat", "dan") == expected
    assert notes(gateway) == 0


@LOOP
async def test_an_identical_message_of_another_queue_file_is_no_retry(gateway: Gateway, hop: Hop) -> None:
    message = letter("<twice@x>")
    hop.after_data = {CAT: [LATER]}
    assert (await send(gateway, message, BEN, CAT, forward="IDENT=4F2B1"))[-1][0] == 451
    assert (await send(gateway, message, BEN, CAT, forward="IDENT=4F2B2"))[-1][0] == 250
    assert hop.counts("ben", "cat") == [2, 1]
    assert (await send(gateway, message, BEN, CAT, forward="IDENT=4F2B1"))[-1][0] == 250
    assert hop.counts("ben", "cat") == [2, 2]
    assert notes(gateway) == 0


@LOOP
async def test_two_identical_messages_that_both_fail_in_part_are_each_completed(gateway: Gateway, hop: Hop) -> None:
    hop.after_data = {CAT: [LATER, LATER]}
    for _ in range(2):
        await asyncio.gather(*(send(gateway, letter("<both@x>"), BEN, CAT) for _ in range(2)))
    assert hop.counts("ben", "cat") == [2, 2]
    assert notes(gateway) == 0


@LOOP
async def test_what_cannot_be_told_from_its_retry_goes_to_all_as_it_is(gateway: Gateway, hop: Hop) -> None:
    message = letter("").replace(b"Date: ", b"X-Date: ")
    assert (await send(gateway, message, BEN, CAT))[-1][0] == 250
    assert [(len(taken.rcpt), taken.content) for taken in hop.taken] == [(2, message)]
    await send(gateway, message, BEN, CAT, forward="IDENT=4F2B9")
    assert [len(taken.rcpt) for taken in hop.taken[1:]] == [1, 1]


@LOOP
async def test_all_refused_is_the_next_hop_s_word_and_nothing_is_remembered(gateway: Gateway, hop: Hop) -> None:
    hop.after_data = {BEN: [NEVER], CAT: ["554 5.6.0 neither"]}
    reply = (await send(gateway, letter("<none@x>"), BEN, CAT))[-1]
    assert reply in ((550, "5.7.1 not wanted here"), (554, "5.6.0 neither"))
    hop.after_data = {BEN: [LATER], CAT: [LATER]}
    assert (await send(gateway, letter("<none@x>"), BEN, CAT))[-1] == (451, "4.2.1 mailbox busy")
    assert hop.taken == []
    assert notes(gateway) == 0


@LOOP
async def test_a_refusal_of_some_is_reported_to_the_sender(gateway: Gateway, hop: Hop) -> None:
    hop.after_data = {CAT: [NEVER]}
    replies = await send(
        gateway, letter("<report@x>"), BEN, f"{CAT} ORCPT=rfc822;Cat+2Bold@example.net", options="ENVID=Q+2B1 RET=HDRS"
    )
    assert replies[-1][0] == 250
    assert hop.counts("ben", "cat") == [1, 0]
    (report,) = hop.of(ADA)
    assert report.mail.startswith("MAIL FROM:<>")
    assert report.rcpt == (f"RCPT TO:<{ADA}> NOTIFY=NEVER",)
    parsed = email.message_from_bytes(report.content, policy=SMTP)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed["Auto-Submitted"] == "auto-replied"
    text, status, header = parsed.iter_parts()
    assert CAT in text.get_content()
    whole, cat = status.get_payload()
    assert whole["Original-Envelope-Id"] == "Q+1"
    assert cat["Final-Recipient"] == f"rfc822; {CAT}"
    assert cat["Original-Recipient"] == "rfc822; Cat+old@example.net"
    assert cat["Status"] == "5.7.1"
    assert cat["Action"] == "failed"
    assert cat["Diagnostic-Code"] == "smtp; 550 5.7.1 not wanted here"
    assert "Subject: Plans" in header.get_payload()
    assert BEN not in status.as_string()


@LOOP
@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS,DELAY"])
async def test_no_report_where_none_is_wanted(gateway: Gateway, hop: Hop, notify: str) -> None:
    hop.after_data = {CAT: [NEVER]}
    assert (await send(gateway, letter(f"<{notify}@x>"), BEN, f"{CAT} NOTIFY={notify}"))[-1][0] == 250
    assert hop.of(ADA) == []


@LOOP
async def test_a_report_that_cannot_be_handed_over_is_tried_again(gateway: Gateway, hop: Hop) -> None:
    hop.after_data = {CAT: [NEVER, NEVER], ADA: [LATER]}
    assert (await send(gateway, letter("<again@x>"), BEN, CAT))[-1][0] == 451
    assert notes(gateway) == 1
    assert (await send(gateway, letter("<again@x>"), BEN, CAT))[-1][0] == 250
    assert hop.counts("ben", "cat") == [1, 0]
    assert len(hop.of(ADA)) == 1
    assert notes(gateway) == 0


@LOOP
async def test_refused_and_deferred_together(gateway: Gateway, hop: Hop) -> None:
    hop.after_data = {BEN: [NEVER, NEVER], CAT: [LATER]}
    assert (await send(gateway, letter("<mixed@x>"), BEN, CAT, DAN))[-1][0] == 451
    assert hop.of(ADA) == []
    assert (await send(gateway, letter("<mixed@x>"), BEN, CAT, DAN))[-1][0] == 250
    assert hop.counts("ben", "cat", "dan") == [0, 1, 1]
    assert len(hop.of(ADA)) == 1


@LOOP
async def test_a_client_that_goes_away_meanwhile_finds_the_delivered_copies_noted(gateway: Gateway, hop: Hop) -> None:
    """It was told nothing, so it sends again; nobody gets a second copy."""
    recipients = [f"r{n}@example.net" for n in range(60)]
    message = letter("<gone@x>")
    with socket.create_connection(("127.0.0.1", gateway.smtp_port)) as client:
        commands = [b"EHLO c", b"MAIL FROM:<" + ADA.encode() + b">"]
        commands += [b"RCPT TO:<%b>" % recipient.encode() for recipient in recipients]
        client.sendall(b"\r\n".join([*commands, b"DATA", b""]))
        reader = client.makefile("rb")
        while not (await asyncio.to_thread(reader.readline)).startswith(b"354"):
            pass
        client.sendall(message + b".\r\n")
        while not hop.taken:
            await asyncio.sleep(0.001)
        reader.close()
    async with asyncio.timeout(10):
        while notes(gateway) == 0:  # the gateway tells nobody
            await asyncio.sleep(0.02)
    early = len(hop.taken)
    assert 0 < early < 60
    assert notes(gateway) == early
    assert (await send(gateway, message, *recipients))[-1][0] == 250
    assert hop.counts(*(f"r{n}" for n in range(60))) == [1] * 60
    assert notes(gateway) == 0


@LOOP
async def test_a_recipient_named_twice_gets_one_copy(gateway: Gateway, hop: Hop) -> None:
    assert (await send(gateway, letter("<dup@x>"), BEN, BEN, CAT))[-1][0] == 250
    assert hop.counts("ben", "cat") == [1, 1]


async def test_beyond_the_cap_and_with_skip_the_message_goes_to_all_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, max_copies=2) as (gateway, hop):
        await send(gateway, letter(), BEN, CAT)
        await send(gateway, letter(), BEN, CAT, DAN)
        await asyncio.to_thread(gateway.stop)
        gateway.configure("smtp", several_recipients="skip")
        await asyncio.to_thread(gateway.start)
        await send(gateway, letter(), BEN, CAT)
    assert [len(message.rcpt) for message in hop.taken] == [1, 1, 3, 2]
    assert [message.content == letter() for message in hop.taken] == [False, False, True, True]


async def test_required_hiding_holds_for_every_copy(tmp_path: Path) -> None:
    """A number that cannot be taken out: nobody gets the message, also those who would get no offer."""
    async with running(tmp_path, account=("--hide", "required")) as (gateway, hop):
        attached = letter(text="Call 01 99 00 12 34.\n")
        assert (await send(gateway, attached, BEN, CAT))[-1][0] == 250
        assert all(b"01 99 00 12 34" not in message.content for message in hop.taken)
        hop.taken.clear()
        signed = attached.replace(b"Content-Type: text/plain", b'Content-Type: multipart/signed; boundary="b"')
        assert (await send(gateway, signed, BEN, CAT))[-1][0] == 550
        assert (await send(gateway, attached, BEN, "no-reply@example.net"))[-1][0] in (250, 550)
        assert all(b"01 99 00 12 34" not in message.content for message in hop.taken)

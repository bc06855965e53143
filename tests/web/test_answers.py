"""Answers that are not a call: taken from a person once, shown in words, told to the offeror, given by no machine."""

from __future__ import annotations

import asyncio

import pytest
from web_gateway import Gateway, MakeGateway, nonce_of

from mailgate.calls.model import Outcome
from mailgate.languages import LANGUAGES
from mailgate.offers.answer import MOST_REPLIES, Reason
from mailgate.offers.codes import CODE_S, CODE_TRIES, CODES_APART_S, MOST_CODES
from mailgate.offers.notice import Kind
from mailgate.offers.service import Rules
from mailgate.offers.table import State
from mailgate.web.texts import load

ENGLISH = {"Accept-Language": "en"}


async def state(gateway: Gateway, token: str) -> State:
    return gateway.offers.look(token).state


@pytest.mark.parametrize("reason", [reason.value for reason in Reason])
async def test_declining_with_a_reason(gateway: Gateway, reason: str) -> None:
    gateway.account(language="de")
    token = await gateway.open(message_id="<m1@example.org>")
    answer = await gateway.answer(token, "decline", reason=reason, text="")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}")
    assert await state(gateway, token) is State.DECLINED
    assert gateway.answers(token) == [("declined", reason, "")]
    [notice] = gateway.notices()
    assert (notice.kind, notice.address, notice.language) == (Kind.DECLINED, "ada@example.org", "de")
    assert notice.values["reason"] == reason and notice.values["offeree"] == "ben@example.net"
    assert notice.values["message_id"] == "<m1@example.org>"


async def test_declining_with_words_alone(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    await gateway.answer(token, "decline", reason="", text="On a train.\u202e\0\r\n\r\n\r\n\r\nLater?")
    assert gateway.answers(token) == [("declined", "other", "On a train.\n\nLater?")]
    assert gateway.notices()[0].values["text"] == "On a train.\n\nLater?"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_who_declined_may_think_again(gateway: Gateway, language: str) -> None:
    token = await gateway.open()
    await gateway.answer(token, "decline", reason="not-now")
    page = await gateway.client.get(f"/a/{token}", headers={"Accept-Language": language})
    texts = load()[language]
    assert page.status_code == 200
    assert texts.say("state.declined.title") in page.text
    assert texts.say("state.declined.next", date="\0").partition("\0")[0] in page.text
    assert 'id="decline"' not in page.text and 'id="reply"' in page.text
    assert (await gateway.press(token)).status_code == 303
    await gateway.placed()
    assert await state(gateway, token) is State.PLACING


async def test_declining_twice_is_declining_once(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}")).text
    fields = {"nonce": nonce_of(page, "/decline"), "reason": "not-now"}
    answers = await asyncio.gather(*(gateway.client.post(f"/a/{token}/decline", data=fields) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {303}
    assert gateway.history(token) == ["declined"]
    assert len(gateway.notices()) == 1


async def test_an_answer_decides_nothing_and_is_told(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    answer = await gateway.answer(token, "reply", text="Tomorrow at ten?")
    assert answer.status_code == 303
    view = gateway.offers.look(token)
    assert (view.state, view.may_accept, view.replies) == (State.OPEN, True, 1)
    assert gateway.answers(token) == [("replied", "", "Tomorrow at ten?")]
    [notice] = gateway.notices()
    assert (notice.kind, notice.values["text"]) == (Kind.REPLIED, "Tomorrow at ten?")
    page = (await gateway.client.get(f"/a/{token}", headers=ENGLISH)).text
    assert "Your answer is on its way to Ada Lovelace." in page
    assert "Tomorrow at ten?" not in page, "what was said is for the offeror"


async def test_the_same_answer_pressed_often_is_sent_once(gateway: Gateway) -> None:
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}")).text
    fields = {"nonce": nonce_of(page, "/reply"), "text": "Once."}
    answers = await asyncio.gather(*(gateway.client.post(f"/a/{token}/reply", data=fields) for _ in range(20)))
    answers.append(await gateway.client.post(f"/a/{token}/reply", data=fields))
    assert {answer.status_code for answer in answers} == {303}
    assert gateway.history(token) == ["replied"]


async def test_answers_are_bounded(gateway: Gateway) -> None:
    token = await gateway.open()
    for number in range(MOST_REPLIES):
        assert (await gateway.answer(token, "reply", text=f"Answer {number}")).status_code == 303
    assert 'id="reply"' not in (await gateway.client.get(f"/a/{token}")).text
    assert gateway.history(token) == ["replied"] * MOST_REPLIES


async def test_nothing_said_is_asked_for_again(gateway: Gateway) -> None:
    token = await gateway.open()
    declined = await gateway.answer(token, "decline", reason="", text=" \u200b")
    replied = await gateway.answer(token, "reply", text="\r\n")
    unknown = await gateway.answer(token, "decline", reason="because", text="")
    assert [a.status_code for a in (declined, replied, unknown)] == [422] * 3
    assert "Please choose a reason, or write a few words." in declined.text
    assert "Please write a few words first." in replied.text
    assert "<details open>\n<summary>Decline" in declined.text
    assert gateway.history(token) == []


@pytest.mark.parametrize("what", ["decline", "reply"])
async def test_without_the_pages_nonce_nothing_is_sent_and_nothing_typed_is_lost(gateway: Gateway, what: str) -> None:
    token, other = await gateway.open(), await gateway.open()
    foreign = nonce_of((await gateway.client.get(f"/a/{other}")).text, f"/{what}")
    calls = nonce_of((await gateway.client.get(f"/a/{token}")).text, "/call")
    for nonce in ("", "x", foreign, calls):
        fields = {"nonce": nonce, "reason": "by-mail", "text": "<b>kept</b>"}
        answer = await gateway.client.post(f"/a/{token}/{what}", data=fields, headers=ENGLISH)
        assert answer.status_code == (200 if nonce == calls else 403)
        assert "&lt;b&gt;kept&lt;/b&gt;" in answer.text
        assert what == "reply" or '<option value="by-mail" selected>' in answer.text
    assert gateway.history(token) == []


async def test_an_ended_offer_takes_no_answer(make_gateway: MakeGateway) -> None:
    gateway = await make_gateway(rules=Rules(attempts=1))
    token = await gateway.open()
    page = (await gateway.client.get(f"/a/{token}")).text
    await gateway.ends(token, Outcome.OFFEREE_BUSY)
    for what in ("decline", "reply"):
        fields = {"nonce": nonce_of(page, f"/{what}"), "reason": "not-now", "text": "late"}
        assert (await gateway.client.post(f"/a/{token}/{what}", data=fields)).status_code == 410
    assert gateway.answers(token) == []


async def test_tokens_that_are_none(gateway: Gateway) -> None:
    for path in ("/decline", "/reply", "/never", "/never/code"):
        assert (await gateway.client.post(f"/a/{'x' * 36}{path}", data={"text": "x"})).status_code == 404
    assert (await gateway.client.get(f"/a/{'x' * 36}/never")).status_code == 404


async def test_a_missed_call_is_told_once_for_each_attempt(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    await gateway.ends(token, Outcome.DESTINATION_BUSY)
    await gateway.ends(token, Outcome.OFFEREE_BUSY)
    await gateway.ends(token, Outcome.DESTINATION_NO_ANSWER)
    told = gateway.notices()
    assert [n.values["outcome"] for n in told] == ["destination-busy", "destination-no-answer"]
    assert {n.kind for n in told} == {Kind.MISSED} and len({n.notice_id for n in told}) == 2


async def test_while_the_offeror_takes_no_calls_nobody_is_rung(gateway: Gateway) -> None:
    gateway.account(do_not_disturb=True)
    token = await gateway.open()
    answer = await gateway.client.post(f"/a/{token}/call", data=await gateway.fields(token), headers=ENGLISH)
    assert answer.status_code == 409
    assert "Ada Lovelace takes no calls just now" in answer.text
    assert 'value="01 99 00 56 78"' in answer.text and "aria-invalid" not in answer.text
    assert gateway.attempts(token) == 0


# --- never again ----------------------------------------------------------------------------------------------------


async def code_for(gateway: Gateway, token: str, address: str = " Ben@Example.NET ") -> str:
    """The code that was mailed after asking with that address; empty where none was."""
    before = {n.notice_id for n in gateway.notices()}
    answer = await gateway.answer(token, "never", address=address)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/a/{token}/never?sent=1")
    new = [n for n in gateway.notices() if n.notice_id not in before]
    assert all((n.kind, n.address) == (Kind.CODE, "ben@example.net") for n in new)
    return new[0].values["code"] if new else ""


async def test_never_again(gateway: Gateway) -> None:
    token = await gateway.open()
    code = await code_for(gateway, token)
    assert len(code) == 6 and code.isdigit()
    shown = await gateway.client.get(f"/a/{token}/never?sent=1", headers=ENGLISH)
    assert "a code of six digits is on its way" in shown.text and code not in shown.text
    answer = await gateway.answer(token, "never/code", code=f"{code[:3]} {code[3:]}")
    assert answer.headers["location"] == f"/a/{token}/never"
    assert gateway.offers.answers.suppressed(token)
    assert "There will be no more offers" in (await gateway.client.get(f"/a/{token}/never", headers=ENGLISH)).text
    page = await gateway.client.get(f"/a/{token}", headers=ENGLISH)
    assert page.status_code == 410 and "There will be no more offers" in page.text and "<form id=" not in page.text
    other = await gateway.open(account_id="b", offeree_address="BEN@example.net")
    assert gateway.offers.answers.suppressed(other), "for every account"
    assert not gateway.offers.answers.suppressed(await gateway.open(offeree_address="benny@example.net"))


async def test_another_address_gets_no_code_and_the_same_answer(gateway: Gateway) -> None:
    token = await gateway.open()
    assert await code_for(gateway, token, "eve@example.net") == ""
    assert await code_for(gateway, token) != ""


async def test_what_is_no_address_or_no_code_is_told_so(gateway: Gateway) -> None:
    token = await gateway.open()
    assert (await gateway.answer(token, "never", address="ben")).status_code == 422
    answer = await gateway.answer(token, "never/code", code="12345")
    assert answer.status_code == 422 and "That is not the code" in answer.text


async def test_a_code_is_guessed_a_few_times_only(gateway: Gateway) -> None:
    token = await gateway.open()
    code = await code_for(gateway, token)
    wrong = [f"{(int(code) + n) % 1_000_000:06}" for n in range(1, CODE_TRIES + 1)]
    for each in wrong:
        assert (await gateway.answer(token, "never/code", code=each)).status_code == 422
    assert (await gateway.answer(token, "never/code", code=code)).status_code == 422
    assert not gateway.offers.answers.suppressed(token)
    gateway.clock.at += CODES_APART_S
    assert (await gateway.answer(token, "never/code", code=await code_for(gateway, token))).status_code == 303


async def test_a_code_grows_old(gateway: Gateway) -> None:
    token = await gateway.open()
    code = await code_for(gateway, token)
    gateway.clock.at += CODE_S
    assert (await gateway.answer(token, "never/code", code=code)).status_code == 422


async def test_codes_are_mailed_seldom(gateway: Gateway) -> None:
    token = await gateway.open()
    mailed = 0
    for _ in range(MOST_CODES + 2):
        mailed += await code_for(gateway, token) != ""
        assert await code_for(gateway, token) == "", "not twice in a minute"
        gateway.clock.at += CODES_APART_S
    assert mailed == MOST_CODES


async def test_an_offer_that_has_ended_still_takes_never_again(gateway: Gateway) -> None:
    token = await gateway.open()
    await gateway.offers.revoke(gateway.offers.offer_id_of(token))
    code = await code_for(gateway, token)
    assert (await gateway.answer(token, "never/code", code=code)).status_code == 303
    assert gateway.offers.answers.suppressed(token)
    assert await state(gateway, token) is State.REVOKED


async def test_the_store_holds_no_word_and_no_code(gateway: Gateway) -> None:
    gateway.account()
    token = await gateway.open()
    await gateway.answer(token, "reply", text="a private word")
    await gateway.answer(token, "decline", reason="other", text="another private word")
    code = await code_for(gateway, token)
    content = b"".join(p.read_bytes() for p in gateway.store.path.parent.iterdir() if p.is_file())
    assert b"replied" in content and b"private word" not in content and f'"{code}"'.encode() not in content

"""The order in which DKIM keys follow one another."""

from __future__ import annotations

import json
import math

import pytest

from smtp_hooks import dkim_rota
from smtp_hooks.dkim_rota import Entry, Rota, RotaError, State

DAY = 86400.0


def entry(selector: str, algorithm: str = "rsa", **times: float | None) -> Entry:
    made = {"made_at": 0.0, **times}
    return Entry(domain="example.org", selector=selector, algorithm=algorithm, key_file=f"{selector}.pem", **made)  # type: ignore[arg-type]


OLD = entry("old", signs_from=0.0)
NEW = entry("new")
ED = entry("ed", "ed25519", signs_from=0.0)


def test_the_way_of_a_key() -> None:
    rota = dkim_rota.add((OLD, ED), NEW, now=10.0)
    assert dkim_rota.signing(rota, 10.0) == (OLD, ED)
    assert dkim_rota.waiting(rota, "example.org", "rsa", 10.0) == NEW
    rota = dkim_rota.switch(rota, NEW, at=DAY, keep_s=7 * DAY)
    assert [e.selector for e in dkim_rota.signing(rota, DAY - 1)] == ["old", "ed"]
    assert [e.selector for e in dkim_rota.signing(rota, DAY)] == ["ed", "new"]
    assert dkim_rota.next_change(rota, 10.0) == DAY
    assert dkim_rota.next_change(rota, DAY) == math.inf
    old = dkim_rota.find(rota, "example.org", "old")
    states = [old.state(at) for at in (0, DAY - 1, DAY, 8 * DAY - 1, 8 * DAY)]
    assert states == [State.SIGNING, State.SIGNING, State.LEAVING, State.LEAVING, State.DONE]
    assert dkim_rota.parse(dkim_rota.dump(rota)) == rota
    assert dkim_rota.retire(rota, old, now=8 * DAY) == rota[1:]


@pytest.mark.parametrize("at", [0.0, 1.0, DAY - 1, DAY, DAY + 1, 400 * DAY])
def test_at_each_moment_one_key_of_a_kind_signs(at: float) -> None:
    rota = dkim_rota.switch(dkim_rota.add((OLD, ED), NEW, now=0), NEW, at=DAY, keep_s=DAY)
    assert sorted(e.algorithm for e in dkim_rota.signing(rota, at)) == ["ed25519", "rsa"]


def test_what_cannot_be() -> None:
    waiting = dkim_rota.add((OLD,), NEW, now=0)
    with pytest.raises(RotaError, match="taken"):
        dkim_rota.add(waiting, entry("old"), now=0)
    with pytest.raises(RotaError, match="waiting already"):
        dkim_rota.add(waiting, entry("newer"), now=0)
    with pytest.raises(RotaError, match="no selector"):
        dkim_rota.add((), entry("a.b/../c"), now=0)
    with pytest.raises(RotaError, match="make another one first"):
        dkim_rota.retire(waiting, OLD, now=0)
    leaving = dkim_rota.switch(waiting, NEW, at=0, keep_s=DAY)
    old = dkim_rota.find(leaving, "example.org", "old")
    with pytest.raises(RotaError, match="still on their way"):
        dkim_rota.retire(leaving, old, now=1)
    assert len(dkim_rota.retire(leaving, old, now=1, early=True)) == 1
    with pytest.raises(RotaError, match="there is no key"):
        dkim_rota.find(leaving, "example.net", "old")


def broken() -> list[str]:
    good = json.loads(dkim_rota.dump((OLD,)))[0]
    wrong: list[dict[str, object]] = [
        {**good, "more": 1},
        {**good, "selector": 1},
        {**good, "algorithm": "dsa"},
        {**good, "made_at": None},
        {**good, "signs_from": "now"},
        {k: v for k, v in good.items() if k != "domain"},
    ]
    return ["", "{}", "[1]", "nonsense", *(json.dumps([each]) for each in wrong)]


@pytest.mark.parametrize("text", broken())
def test_a_broken_file_is_refused(text: str) -> None:
    with pytest.raises(RotaError):
        dkim_rota.parse(text)


def test_nothing_is_an_empty_rota() -> None:
    nothing: Rota = ()
    assert dkim_rota.parse(dkim_rota.dump(nothing)) == nothing
    assert dkim_rota.next_change(nothing, 0) == math.inf

"""The store: durable when told, one piece's failure its own, sealed numbers closed to others."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailgate.accounts.model import Account, Destination, Hide, Mode
from mailgate.calls.model import Channel, Kind
from mailgate.store import accounts
from mailgate.store.database import Rows, Store, StoreError, create, load_queries
from mailgate.store.seal import SealBroken, Sealer
from tokens import keys

RING = keys.KeyRing((keys.Key("n1", bytes(32)),))
ADA = Account(
    account_id="ada",
    display_name="Ada Lovelace",
    addresses=("ada@example.org", "countess@example.org"),
    destinations=(
        Destination(
            name="default",
            display_name="Ada Lovelace",
            channels=(Channel(Kind.SIP, "ada"), Channel(Kind.TEL, "+33199001234")),
        ),
        Destination(name="support", display_name="Support", channels=(Channel(Kind.TEL, "+33199009999"),)),
    ),
    extra_numbers=("+33600000000",),
    mode=Mode.ON_REQUEST,
    hide=Hide.REQUIRED,
    language="fr",
    created_at=12.5,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create(tmp_path / "store.db")
    store = Store(tmp_path / "store.db")
    yield store
    store.close()


async def test_what_one_caller_was_told_stands_when_its_neighbour_fails(store: Store) -> None:
    def good(number: int) -> object:
        return store.transact(
            lambda rows: rows.run("put_suppression", digest=bytes([number]), since=1.0, reason="test")
        )

    def bad(rows: Rows) -> None:
        rows.run("put_suppression", digest=b"half", since=1.0, reason="test")
        raise ValueError("no")

    results = await asyncio.gather(good(1), store.transact(bad), good(2), return_exceptions=True)  # type: ignore[call-overload]
    assert [type(r) for r in results] == [int, ValueError, int]
    kept = store.read(lambda rows: [rows.one("suppression", digest=d) is not None for d in (b"\1", b"half", b"\2")])
    assert kept == [True, False, True]


async def test_a_thousand_at_once_are_all_there(store: Store) -> None:
    await asyncio.gather(
        *(
            store.transact(
                lambda rows, n=n: rows.run("put_suppression", digest=n.to_bytes(4), since=1.0, reason="test")
            )
            for n in range(1000)
        )
    )
    store.close()
    again = sqlite3.connect(store.path)
    assert again.execute("SELECT count(*) FROM suppressions").fetchone() == (1000,)
    again.close()


def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    create(path)
    program = f"""
import asyncio, os, pathlib
from mailgate.store.database import Store
async def main():
    store = Store(pathlib.Path({str(path)!r}))
    await store.transact(lambda rows: rows.run("put_suppression", digest=b"kept", since=1.0, reason="test"))
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -9
    store = Store(path)
    assert store.read(lambda rows: rows.one("suppression", digest=b"kept")) is not None
    store.close()


async def test_another_process_s_write_is_noticed_and_our_own_is_not(store: Store) -> None:
    seen = await store.transact(Rows.foreign_commits)
    await store.transact(lambda rows: rows.run("put_suppression", digest=b"own", since=1.0, reason="test"))
    assert await store.transact(Rows.foreign_commits) == seen
    other = Store(store.path)
    other.transact_now(lambda rows: rows.run("put_suppression", digest=b"foreign", since=1.0, reason="test"))
    other.close()
    assert await store.transact(Rows.foreign_commits) != seen


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.read(lambda rows: rows.run("put_suppression", digest=b"x", since=1.0, reason="test"))


def test_a_missing_store_and_a_file_that_is_none_say_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mailgate init"):
        Store(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("this is no database, whatever its name says; it is long enough to be read")
    with pytest.raises(StoreError, match=r"text\.db"):
        Store(tmp_path / "text.db")


def test_a_new_store_is_its_owner_s_alone(tmp_path: Path) -> None:
    create(tmp_path / "store.db")
    assert (tmp_path / "store.db").stat().st_mode & 0o077 == 0


def test_every_query_has_a_name_of_its_own() -> None:
    text = "-- name: a\nSELECT 1;\n\n-- name: b\n-- a remark\nSELECT 2;\n"
    assert load_queries(text) == {"a": "SELECT 1;", "b": "-- a remark\nSELECT 2;"}


def test_an_account_comes_back_as_it_was(store: Store) -> None:
    sealer = Sealer(RING)
    store.transact_now(lambda rows: accounts.insert(rows, sealer, ADA))
    found = store.read(lambda rows: accounts.by_address(rows, sealer, "Countess@Example.org"))
    assert found == ADA
    assert found.numbers == ("+33199001234", "+33199009999", "+33600000000")


def test_an_address_belongs_to_one_account(store: Store) -> None:
    sealer = Sealer(RING)
    store.transact_now(lambda rows: accounts.insert(rows, sealer, ADA))
    with pytest.raises(sqlite3.IntegrityError):
        store.transact_now(
            lambda rows: accounts.insert(
                rows, sealer, Account(account_id="eve", display_name="Eve", addresses=ADA.addresses, destinations=())
            )
        )
    assert store.read(lambda rows: accounts.by_id(rows, sealer, "eve")) is None


def test_the_file_holds_no_number(store: Store) -> None:
    store.transact_now(lambda rows: accounts.insert(rows, Sealer(RING), ADA))
    store.close()
    content = b"".join(p.read_bytes() for p in store.path.parent.iterdir())
    assert b"countess@example.org" in content
    assert b"199001234" not in content and b"600000000" not in content


def test_a_sealed_value_opens_in_its_own_place_only() -> None:
    sealer = Sealer(RING)
    sealed = sealer.seal("tel:+33199001234", "attempts 1")
    assert sealer.open(sealed, "attempts 1") == "tel:+33199001234"
    with pytest.raises(SealBroken):
        sealer.open(sealed, "attempts 2")
    with pytest.raises(SealBroken):
        sealer.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "attempts 1")
    with pytest.raises(SealBroken, match="not in the ring"):
        Sealer(keys.KeyRing((keys.Key("n2", bytes(32)),))).open(sealed, "attempts 1")


def test_after_a_rotation_old_values_open_and_digests_stay() -> None:
    old, new = Sealer(RING), Sealer(keys.added(RING, "n2", bytes(range(32))))
    assert new.open(old.seal("x", "c"), "c") == "x"
    assert new.digest("tel:+33199001234") == old.digest("tel:+33199001234")

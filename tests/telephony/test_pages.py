"""Which pages ring: those that are open, and for which offers."""

from __future__ import annotations

from pathlib import Path

from mailgate.accounts.model import Account, Destination
from mailgate.calls.model import Channel
from mailgate.calls.pages import AT_ONCE, OpenPages
from mailgate.store import accounts
from mailgate.store.database import Store, create
from mailgate.store.seal import Sealer
from tokens import keys

OWNER = "a1" * 16
PAGE, SIP, TEL, DESK = map(Channel.parse, (f"page:{OWNER}", "sip:ada", "tel:+33199001234", "sip:desk"))


def test_the_newest_pages_ring_and_none_that_is_closed() -> None:
    pages = OpenPages()
    assert not pages.where()
    for port in (1, 2, 3):
        pages.come(OWNER, f"127.0.0.88:{port}")
    assert pages.where() == {OWNER: ("127.0.0.88:3", "127.0.0.88:2")}
    assert pages.count(OWNER) == 3 > AT_ONCE
    for port in (3, 3, 9, 2, 1):
        pages.go(OWNER, f"127.0.0.88:{port}")
    assert not pages.where() and not pages.count(OWNER)


def test_a_page_rings_for_offers_from_before_it_did_and_for_no_other_party(tmp_path: Path) -> None:
    create(tmp_path / "store.db")
    store, sealer = Store(tmp_path / "store.db"), Sealer(keys.KeyRing((keys.Key("k1", bytes(32)),)))
    own = Destination(name="default", display_name="Ada", channels=(SIP, TEL), verified=frozenset({SIP, TEL}))
    other = Destination(name="desk", display_name="The desk", channels=(DESK,), verified=frozenset({DESK}))
    ada = Account(
        account_id=OWNER, display_name="Ada", addresses=("ada@example.org",), destinations=(own, other), created_at=1.0
    )
    store.transact_now(lambda rows: accounts.insert(rows, sealer, ada))

    def ringing(*channels: Channel) -> tuple[Channel, ...]:
        return store.read(lambda rows: accounts.ringing(rows, sealer, OWNER, channels))

    assert ringing(SIP, TEL) == (SIP, TEL)
    assert store.transact_now(lambda rows: accounts.put_page(rows, sealer, OWNER))
    assert not store.transact_now(lambda rows: accounts.put_page(rows, sealer, OWNER)), "it does already"
    assert not store.transact_now(lambda rows: accounts.put_page(rows, sealer, "b2" * 16)), "nobody's"
    assert ringing(SIP, TEL) == (PAGE, SIP, TEL)
    assert ringing(TEL) == (PAGE, TEL)
    assert ringing(DESK) == (DESK,)
    assert ringing(Channel.parse("tel:+33199001235")) == (), "what the account has given up rings no more"
    store.close()

"""Notices that wait to be sent, in the store. Each function takes the rows of a transaction or of a read.

A notice is put here in the transaction of the step that asks for it, so that neither is ever there without the other.
What a notice says is sealed, and blanked once it was sent or given up; its id stays for KEPT_S, so that it is not
put here a second time.
"""

from __future__ import annotations

import json

from mailgate.offers.notice import Kind, Notice
from mailgate.store.database import Row, Rows
from mailgate.store.seal import Sealer

KEPT_S = 30 * 86400.0


def put(rows: Rows, sealer: Sealer, notice: Notice) -> None:
    """Due at once; a notice that is here already, sent or not, stays as it is."""
    content = json.dumps({"address": notice.address, "values": dict(notice.values)})
    rows.run(
        "put_notice",
        notice_id=notice.notice_id,
        kind=notice.kind.value,
        language=notice.language,
        content=sealer.seal(content, f"outbox {notice.notice_id}"),
        created_at=notice.created_at,
        expires_at=notice.expires_at,
    )


def due(rows: Rows, sealer: Sealer, now: float, most: int) -> list[tuple[Notice, int]]:
    """What is to be tried now, the longest due first, and how often each was tried before."""
    return [(_notice(sealer, row), row["tries"]) for row in rows.all("notices_due", now=now, most=most)]


def done(rows: Rows, notice_id: str, *, state: str) -> None:
    """`sent` or `failed`: not tried again."""
    rows.run("finish_notice", notice_id=notice_id, state=state)


def later(rows: Rows, notice_id: str, due_at: float) -> None:
    rows.run("delay_notice", notice_id=notice_id, due_at=due_at)


def purge(rows: Rows, now: float) -> None:
    """Forget what was done with long ago."""
    rows.run("purge_notices", before=now - KEPT_S)


def _notice(sealer: Sealer, row: Row) -> Notice:
    content = json.loads(sealer.open(row["content"], f"outbox {row['notice_id']}"))
    return Notice(
        notice_id=row["notice_id"],
        kind=Kind(row["kind"]),
        address=content["address"],
        language=row["language"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        values=content["values"],
    )

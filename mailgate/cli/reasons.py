"""What the names of decisions mean, in a sentence each, for administrators."""

from __future__ import annotations

from smtp_hooks.mime import Reason
from smtp_hooks.pipeline import THREAD_SHOWS_OFFER, Decision
from smtp_hooks.policy import PassReason

DECISIONS = {
    "offered": "goes on with an offer",
    "passed": "goes on without an offer",
    "refused": "is refused",
    "shadow": "goes on as it came, since the mode is shadow; what would have been decided",
    "fault": "could not be judged for a fault of the gateway's own",
}

REASONS: dict[str, str] = {
    PassReason.NO_ACCOUNT: "no account writes from this address, or the client is not trusted",
    PassReason.NULL_REVERSE_PATH: "its envelope has no sender, so it is a bounce or an automatic answer",
    PassReason.MODE_NEVER: "the account makes no offers",
    PassReason.NOT_REQUESTED: "the account makes offers on request, and nothing in the message requests one",
    PassReason.DECLINED_BY_SENDER: "the sender wants none in this message",
    PassReason.ALREADY_PASSED: "it bears this gateway's signed mark, so it has passed before",
    PassReason.AUTO_SUBMITTED: "a program wrote it (Auto-Submitted)",
    PassReason.LIST_MAIL: "it is list or bulk mail (List-*, Precedence)",
    PassReason.FOREIGN_SIGNATURE: "it bears another domain's DKIM signature, which a change would break",
    PassReason.NOBODY_READS: "no single person reads at this address",
    PassReason.UNCLEAR_WISH: "its X-Call-Offer asks for something that cannot be understood",
    PassReason.COLLEAGUE: "the recipient is a colleague ([policy] colleagues)",
    PassReason.SUPPRESSED: "the recipient has asked for no more offers (`mailgate suppress`)",
    PassReason.OUTSIDE_SHARE: "account or recipient are outside the roll-out's share ([policy] share_percent)",
    THREAD_SHOWS_OFFER: "it quotes an open offer of this sender to this recipient",
    "too-large-with-offer": "with an offer it would be larger than the next hop takes",
    "several-recipients": "one body goes to several people, and an offer is for one",
    "unsignable": "it could not be signed after the change",
    "shows-number": "it would still show the account's number, which the account does not allow",
    "policy": "the policy refuses it",
    Reason.SIGNED: "it is signed, which a change would break",
    Reason.ENCRYPTED: "it is encrypted",
    Reason.INLINE_PGP: "it holds text signed or encrypted by PGP",
    Reason.TNEF: "its text is in Outlook's own format (TNEF)",
    Reason.CALENDAR: "it is an invitation or the answer to one",
    Reason.REPORT: "it is a delivery or reading report",
    Reason.PARTIAL: "it is a piece of a message",
    Reason.NOTHING_TO_SAY_IT_IN: "it has no text that a reader sees as its body",
    Reason.NO_HEADER_END: "its header has no end",
    Reason.MALFORMED_HEADER: "a line of its header is no field",
    Reason.AMBIGUOUS_HEADER: "mail programs would read its header in different ways",
    Reason.BAD_CONTENT_TYPE: "its Content-Type cannot be read",
    Reason.NO_BOUNDARY: "its parts have no boundary",
    Reason.NO_FINAL_BOUNDARY: "its last boundary is missing",
    Reason.BAD_TRANSFER_ENCODING: "a transfer encoding is unknown or broken",
    Reason.UNKNOWN_CHARSET: "a charset is unknown",
    Reason.UNDECODABLE_TEXT: "a text is not in the charset that it declares",
    Reason.BARE_NEWLINE: "it has line ends other than CRLF",
    Reason.NO_SAFE_PLACE: "its HTML has no place where the offer is safe and visible",
    Reason.TOO_DEEP: "its parts are nested too deeply",
    Reason.TOO_MANY_PARTS: "it has too many parts",
    Reason.TOO_BIG: "its text or header is too big to be changed",
    Reason.TOO_COSTLY: "looking into it took longer or more memory than one message may take",
}


def sentence(decision: Decision) -> str:
    """The decision in words, its names behind them."""
    said = DECISIONS[decision.name]
    if not decision.reason:
        return f"It {said} ({decision.name})."
    why = REASONS.get(decision.reason) or DECISIONS[decision.reason]  # of a shadow, a decision without a reason
    return f"It {said}: {why} ({decision.name}: {decision.reason})."

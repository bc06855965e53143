"""How mail programs mark an earlier message, in the languages of their users.

Patterns for text/plain and marks for text/html, written from what the programs put out: Outlook ("-----Original
Message-----", "From: … Sent: …"), Gmail, Apple Mail, Thunderbird, Yahoo, Proton, GMX, mail.ru, QQ and NetEase.
All text patterns start with a literal line feed, so that a search costs next to nothing where there is none, and are
possessive or bounded, so that no input makes them slow.
"""

from __future__ import annotations

import re

# The words for "From" with which Outlook and its kin open a block of header-like lines.
_FROM = (
    "From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|Feladó|Odesílatel|Odosielateľ|De la|От|От кого|Від|Kimden|Gönderen|Από"
    "|发件人|发件者|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람|מאת|من|จาก|Từ|Dari|Pošiljatelj|Šalje|Saatja|Nuo|No"
)
RULED = re.compile(
    # A line of dashes round a few words, or a rule of underscores, above a block of header-like lines.
    r"\n(?:-{3,}+ ?[^\r\n\-]{4,60} ?-{3,}+[ \t]*+(?:\r\n){1,2}[*]?[^\r\n:：]{2,25}[:：]"
    rf"|_{{10,}}+[ \t]*+(?>(?:\r\n)+)[*]?(?:{_FROM})[*]? ?[:：])"
)
FROM_BLOCK = re.compile(
    rf"\n(?=[*A-Z\u00c0-\uffff])[*]?(?:{_FROM})[*]?[ \xa0]?[:：][*]?[^\r\n]{{2,300}}\r\n"
    r"(?:[^\r\n:：]{1,25}[:：][^\r\n]{0,998}\r\n){2}"
)
FORWARDED = re.compile(
    "Begin forwarded message|Anfang der weitergeleiteten (?:Nachricht|E-Mail)|Début du message (?:réexpédié|transféré)"
    "|Inicio del mensaje reenviado|Inizio messaggio inoltrato|Início da mensagem (?:en|reen)caminhada"
    "|Begin doorgestuurd bericht|転送されたメッセージ|Начало переадресованного (?:сообщения|письма)"
    "|Vidarebefordrat brev|Videresendt besked|بداية الرسالة المُعاد توجيهها"
)
"""What Apple Mail says above a forwarded message."""
SAID = re.compile(
    "wrote|schrieb|écrit|escribió|scritto|escreveu|schreef|geschreven|skrev|skrifaði|napisał|pisze|napsal|napísal"
    "|napisao|пишет|написал|писал|пише|kirjoitti|kirjutas|rašė|rakstīja|yazdı|írta|a scris|escrit|έγραψε|כתב|כתבה|كتب"
    "|写道|寫道|書きました|のメール|작성|đã viết|menulis|เขียน",
    re.IGNORECASE,
)
"""The verb of the line above an earlier message ("On … wrote:")."""
WHO_OR_WHEN = re.compile(r"[@<\[]|\d{1,2}[:.h]\d{2}")
"""What that line has besides: an address, or a time of day."""

# Values of class and id that open an earlier message: Gmail, Outlook, Yahoo, Thunderbird, Proton, Tuta, Zoho, QQ,
# Apple, mail.ru, Roundcube. `x_` is what Outlook on the web puts before the names in what it quotes.
_EARLIER = (
    "gmail_quote|gmail_extra|divRplyFwdMsg|appendonsend|yahoo_quoted|ydp[0-9a-z]{1,12}yahoo_quoted|moz-cite-prefix"
    "|moz-forward-container|moz-email-headers-table|protonmail_quote|tutanota_quote|zmail_extra|isForwardContent"
    "|isReplyContent|OLK_SRC_BODY_SECTION|mailru-blockquote|reply-intro|mail-editor-reference-message-container"
)
# The same for the sender's own signature.
_SIGNATURES = (
    'gmail_signature|moz-signature|Signature"|AppleMailSignature|ms-outlook-mobile-signature|protonmail_signature'
)
_FIRST = "".join(sorted({"x", *(name[0] for name in f"{_EARLIER}|{_SIGNATURES}".split("|"))}))
HTML_MARK = re.compile(rf'="(?=[{_FIRST}])(?:x_)?(?:{_EARLIER}|{_SIGNATURES})')
"""Starts with a literal, so that a search is cheap; most values are ruled out by their first letter."""
HTML_RULE = "border-top:solid #"
"""Within the style of the `<div>` that Outlook puts above the header block of an earlier message."""
HTML_EARLIER = re.compile(rf"\b(?:x_)?(?:{_EARLIER})|{HTML_RULE}")
"""The same in the attributes of one tag, however quoted."""

QUOTING_BLOCK = re.compile(r"[\s][^>]{0,400}?(?:cite|border-left|quote)", re.IGNORECASE)
"""The attributes of a blockquote that quotes a message, not of one that only indents."""

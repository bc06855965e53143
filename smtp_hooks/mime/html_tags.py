"""Where the tags of an HTML document begin and end, and what their names mean to its tree.

Patterns over text; the HTML standard's own rules, so that nobody takes for a tag what a reader takes for text.

Standards: HTML (WHATWG), 13.2.5 (tokenization), 13.2.4.2 (special and formatting elements). A tag within quotes,
a quote within a name and a tag without an end are what the standard says they are. Limits: `MOST_ATTRIBUTES`.
"""

from __future__ import annotations

import re

_WS = r" \t\r\n\f"
MOST_ATTRIBUTES = 1_000
"""In one tag; `re` needs 150 octets of memory for each until the tag ends. With more of them it is taken for none."""
ATTRIBUTES = (  # a quote means something only behind an equals sign, an equals sign only behind a name
    rf"""(?>(?:[{_WS}/]++|[^{_WS}/>][^{_WS}/>=]*+(?:[{_WS}]*+=[{_WS}]*+(?:"[^"]*+"|'[^']*+'|(?!["'>])[^{_WS}>]++|(?=>))"""
    rf"""|(?![{_WS}]*+=))){{0,{2 * MOST_ATTRIBUTES}}})"""
)
TAG = re.compile(rf"<(/?)([a-zA-Z][^{_WS}/>]*+)({ATTRIBUTES})>")
"""A whole tag: slash, name, attributes."""
COMMENT = re.compile(r"<!--(?:-?>|(?>[\s\S]*?--!?>))")
PLAIN_TAG = re.compile(
    rf"""<(?:(/?[a-zA-Z][^{_WS}/><]*+)|[!?][^<>]*+)"""
    rf"""(?:>|(?>(?:[{_WS}]++[^{_WS}<>"'=/]++(?:="[^"]*+"|='[^']*+'|=[^{_WS}"'<>]++|)){{0,{MOST_ATTRIBUTES}}})[{_WS}]*+/?>)"""
)
"""The name (with its slash) of a tag as programs write them. Where a text has as many as it has `<`, and neither
comments nor raw text, these are its tags, all of them, and end where they do for the standard. Linear: an attempt ends
at a `<` outside of quotes, and of attempts that reach past each other's `<` each is in another quote, or in none."""
LEADING = re.compile(  # what belongs to the head, or stands before it
    rf"(?>(?:[{_WS}]++|{COMMENT.pattern}|<[!?](?!--)[^>]*+>"
    rf"|</?(?:html|head|meta|base|link|noscript|xml|o:[a-z]+)(?=[{_WS}>/]){ATTRIBUTES}>"
    rf"|<(?P<raw>title|style)(?=[{_WS}>/]){ATTRIBUTES}>(?>(?:[^<]++|<+(?!/(?P=raw)[{_WS}>/]))*)</(?P=raw)[{_WS}]*+>"
    rf"|<script(?=[{_WS}>/]){ATTRIBUTES}>(?>(?:[^<]++|<+(?!/?script))*)</script[{_WS}]*+>"
    rf"|<xml(?=[{_WS}>/]){ATTRIBUTES}>(?>(?:[^<]++|</?[a-z]++:[^<>]*+>)*)</xml[{_WS}]*+>)*)",
    re.IGNORECASE | re.ASCII,
)


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


VOID = names("area base basefont bgsound br col embed hr image img input link meta param source track wbr")
RAW = names("script style textarea title xmp iframe noembed noframes")
FORMATTING = names("a b big code em font i nobr s small strike strong tt u")
"""Opened again by the standard where the end of what is around them cuts them off; their end tag leaves the blocks
open that were opened within (13.2.6.4.7, adoption agency)."""
HEADINGS = names("h1 h2 h3 h4 h5 h6")
BLOCKS = HEADINGS | names(
    "address article aside blockquote center details dir div dl fieldset figcaption figure footer form header listing"
    " main menu nav ol p pre section summary ul"
)
"""Those whose start ends a paragraph, without `hr` and `table`: in a document without a doctype this one does not."""
MARKERS = names("td th caption applet marquee object")
"""What is open within their like is forgotten with them, and not opened again."""
SCOPES = MARKERS | {"table"}
"""They keep the end tags of others in (13.2.4.2: has an element in scope)."""
TABLE_PARTS = names("caption col colgroup tbody td tfoot th thead tr")
SPECIAL = BLOCKS | SCOPES | TABLE_PARTS | names("button dd dt li select")
"""Elements that the end tag of an ordinary one does not reach through."""
SHIFTING = names(
    "svg math template noscript frameset frame plaintext dialog search hgroup isindex menuitem command keygen"
    " option optgroup rb rp rt rtc"
)
"""Those that change the rules for what is within, and those whose rules have changed over the years or are different
where scripts run: what is behind them is not known for certain."""

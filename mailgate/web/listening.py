"""The routes of listening: the page, and the sockets. Built here for mailgate.web.app."""

from __future__ import annotations

from starlette.routing import BaseRoute

from mailgate.listening import Listeners
from mailgate.offers.own import Own
from mailgate.web.listen import ListenPages, by_session
from mailgate.web.pages import Pages
from mailgate.web.settings import WebSettings
from mailgate.web.socket import ListenSockets


def listening(settings: WebSettings, listeners: Listeners, own: Own, pages: Pages) -> list[BaseRoute]:
    """All of them."""
    who = by_session(own)
    return [
        *ListenPages(settings, listeners, pages, who).routes(),
        *ListenSockets(settings, listeners, who).routes(),
    ]

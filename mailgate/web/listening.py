"""The routes of listening: the page, its manifest and service worker, the sockets. Built here for mailgate.web.app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import BaseRoute

from mailgate.calls.pages import OpenPages
from mailgate.listening import Listeners
from mailgate.offers.own import Own
from mailgate.offers.own_page import OwnPage
from mailgate.web.installed import Installed
from mailgate.web.listen import ListenPages, who_is
from mailgate.web.my import SignedOut
from mailgate.web.page_phone import PagePhone
from mailgate.web.pages import Pages
from mailgate.web.settings import WebSettings
from mailgate.web.socket import ListenSockets


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """`routes` of all of them; `signed_out` hears of who signs out at /my, and is None where there is no such page."""

    routes: tuple[BaseRoute, ...] = ()
    signed_out: SignedOut | None = None


Rings = tuple[OwnPage, OpenPages]
"""What a page needs to be a telephone."""


def listening(
    settings: WebSettings,
    listeners: Listeners | None,
    own: Own | None,
    pages: Pages,
    rings: Rings | None,
    now: Callable[[], float],
) -> Listening:
    """What there is of it."""
    if listeners is None or own is None:
        return Listening()
    who = who_is(own, listeners.pushes)
    phone: tuple[BaseRoute, ...] = ()
    if rings and pages.talks and settings.talk:
        phone = (*PagePhone(settings.talk, *rings, pages, who, own.form_key, settings.origin, now).routes(),)
    page = ListenPages(settings, listeners, own, pages, who, rings=bool(phone))
    sockets = ListenSockets(settings, listeners, who)
    routes = (*page.routes(), *Installed(settings, pages).routes(), *sockets.routes(), *phone)
    return Listening(routes=routes, signed_out=page.signed_out)

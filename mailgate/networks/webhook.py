"""Events sent to a program elsewhere: one signed POST, to an address that was looked at first.

The URL is somebody else's word, so it may not lead the gateway into its own network: the name is resolved here, every
address it has is judged, and the connection is made to one that was, by address. There are no redirects, no proxies
of the environment, and limits of time and size; of the answer only the status is read. https alone, but for
networks that the administrator has named.

Standards: Standard Webhooks (standardwebhooks.com) for headers and signature; RFC 9112 (HTTP/1.1). Known limit: a
receiver behind an address translator of its own is judged by the address that the name shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import h11

from mailgate import __version__
from mailgate.errors import MailgateError
from mailgate.networks.outside import Network, is_inside, is_public, parse
from mailgate.offers.hook import Parcel, Target, target

WITHIN_S = 15.0
CONNECT_S = 5.0
MOST_HEADER = 16384
"""Octets of an answer's header; its body is not read."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""`resolve(host, port)`: the addresses that a name has, in the order to be tried. Raises OSError."""


class NotSent(MailgateError):
    """No answer was had; the text says why, and names no address inside."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class WebhookNetwork:
    """Sends events. `inside`: networks of our own that may be sent to; `ca_file`: who vouches for receivers."""

    def __init__(
        self,
        *,
        inside: Sequence[Network] = (),
        ca_file: Path | None = None,
        resolve: Resolve = resolve,
        within_s: float = WITHIN_S,
    ) -> None:
        self._inside = tuple(inside)
        self._resolve = resolve
        self._within_s = within_s
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    async def send(self, parcel: Parcel) -> int:
        """The status that the receiver answered with. Raises NotSent."""
        try:
            to = target(parcel.url)
            async with asyncio.timeout(self._within_s):
                return await self._exchange(to, parcel, await self._addresses(to))
        except TimeoutError as error:
            raise NotSent(f"no answer within {self._within_s:g} s") from error
        except ssl.SSLError as error:
            raise NotSent(f"TLS: {error.reason or type(error).__name__}") from error
        except ValueError as error:  # after TLS: a certificate's error is a ValueError, too
            raise NotSent(str(error)) from error
        except (OSError, EOFError, h11.ProtocolError) as error:
            raise NotSent(f"no connection, or a broken answer ({type(error).__name__})") from error

    async def check(self, url: str) -> None:
        """Whether anything may be sent there just now. Raises NotSent."""
        try:
            async with asyncio.timeout(self._within_s):
                await self._addresses(target(url))
        except ValueError as error:
            raise NotSent(str(error)) from error
        except (OSError, TimeoutError) as error:
            raise NotSent("the name has no address") from error

    async def _addresses(self, to: Target) -> list[str]:
        """All addresses of the host, each of which may be sent to. Raises NotSent, OSError."""
        found = [parse(text) for text in await self._resolve(to.host, to.port)]
        if not found:
            raise NotSent("the name has no address")
        for address in found:
            own = is_inside(address, self._inside)
            if not own and not is_public(address):
                raise NotSent("the name leads to an address that is not public")
            if not own and not to.tls:
                raise NotSent("http is for networks of the gateway's own; use https")
        return [str(address) for address in found]

    async def _exchange(self, to: Target, parcel: Parcel, addresses: Sequence[str]) -> int:
        reader, writer = await self._connect(to, addresses)
        try:
            http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEADER)
            for part in (
                h11.Request(method="POST", target=to.path, headers=_headers(to, parcel)),
                h11.Data(data=parcel.body),
                h11.EndOfMessage(),
            ):
                writer.write(http.send(part) or b"")
            await writer.drain()
            while True:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    http.receive_data(await reader.read(4096))
                elif isinstance(event, h11.Response):
                    return int(event.status_code)
                elif not isinstance(event, h11.InformationalResponse):
                    raise EOFError
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _connect(self, to: Target, addresses: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the first address that answers; the certificate must be the name's."""
        trouble: OSError | TimeoutError = OSError("no address")
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection(
                        address,
                        to.port,
                        ssl=self._tls if to.tls else None,
                        server_hostname=to.host if to.tls else None,
                    )
            except (OSError, TimeoutError) as error:
                trouble = error
        raise trouble


def _headers(to: Target, parcel: Parcel) -> list[tuple[str, str]]:
    return [
        ("Host", to.authority),
        ("User-Agent", f"mailgate/{__version__}"),
        ("Content-Type", parcel.content_type),
        ("Content-Length", str(len(parcel.body))),
        ("Connection", "close"),
        *parcel.headers.items(),
    ]

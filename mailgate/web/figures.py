"""GET /metrics: the counters, for Prometheus, to those who may see them.

The counters name nobody, but tell how much is written and called. So the page is there only for clients in the
configured networks, and never for what a reverse proxy passes on: such requests come from the proxy's address, and say
so in their header. To everybody else there is no such page.

Standards: the Prometheus text format 0.0.4; RFC 7239 (Forwarded). Known limit: a proxy that says nothing of whom it
speaks for is taken for the client; then name no network that it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class Figures:
    """The route. `text` gives the counters as they stand."""

    def __init__(self, text: Callable[[], bytes], networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._text = text
        self._networks = tuple(networks)

    async def show(self, request: Request) -> Response:
        """Raises HTTPException 404."""
        if not self._may_see(request):
            raise HTTPException(404)
        return Response(self._text(), media_type="text/plain; version=0.0.4", headers={"Cache-Control": "no-store"})

    def _may_see(self, request: Request) -> bool:
        if request.client is None or any(name in request.headers for name in _PASSED_ON):
            return False
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._networks)

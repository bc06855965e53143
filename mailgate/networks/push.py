"""Web Push: a few octets to a browser's push service, encrypted for the browser, signed as this gateway.

The endpoint is somebody else's word, like a webhook's: the same rules say where it may lead, and the same connection
is made (mailgate.networks.webhook), by https always. pywebpush encrypts, py-vapid signs; neither sends anything, since
what they would send by follows redirects and looks the name up by itself.

Standards: RFC 8030 (TTL, Urgency, Topic; 404 and 410: the subscription is no more), RFC 8291 (encryption), RFC 8292
(VAPID: the push service learns who sends, and how to complain). Source: github.com/web-push-libs/pywebpush.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from pywebpush import WebPusher

from mailgate.networks.webhook import NotSent, WebhookNetwork
from mailgate.offers.hook import Parcel
from mailgate.pushing import Push, Sent

log = logging.getLogger(__name__)

SIGNED_FOR_S = 12 * 3600
"""RFC 8292, 2: no more than 24 hours."""
_GONE = frozenset({404, 410})


class PushNetwork:
    """Sends pushes. `contact` is the mail address that a push service may complain to; `now` gives UNIX seconds."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, *, contact: str, hooks: WebhookNetwork, now: Callable[[], float]
    ) -> None:
        self._vapid = Vapid02(key, conf={"no-strict": True})  # it takes no address at a host without a dot
        self._contact = contact
        self._hooks = hooks
        self._now = now

    async def judge(self, endpoint: str) -> None:
        """Whether anything may be sent there. Raises NotSent."""
        if not endpoint.startswith("https://"):
            raise NotSent("a push service is reached by https")
        await self._hooks.check(endpoint)

    async def send(self, push: Push) -> Sent:
        """One try."""
        endpoint = push.subscription.endpoint
        try:
            if not endpoint.startswith("https://"):
                raise NotSent("a push service is reached by https")
            status = await self._hooks.send(self._parcel(push))
        except NotSent as error:
            log.warning("push not sent: %s", error, extra={"action": "push_failed"})
            return Sent.FAILED
        if 200 <= status < 300:
            return Sent.TAKEN
        if status in _GONE:
            return Sent.GONE
        log.warning("push refused with %d", status, extra={"action": "push_failed", "status": status})
        return Sent.FAILED

    def _parcel(self, push: Push) -> Parcel:
        to = push.subscription
        keys = {"p256dh": to.p256dh, "auth": to.auth}
        body: bytes = WebPusher({"endpoint": to.endpoint, "keys": keys}).encode(push.payload)["body"]
        headers = {
            "Content-Encoding": "aes128gcm",
            "TTL": str(int(push.ttl_s)),
            "Urgency": "high",
            "Topic": push.topic,
            **self._signed(to.endpoint),
        }
        return Parcel(url=to.endpoint, headers=headers, body=body, content_type="application/octet-stream")

    def _signed(self, endpoint: str) -> dict[str, str]:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int(self._now()) + SIGNED_FOR_S,
            "sub": f"mailto:{self._contact}",
        }
        return dict(self._vapid.sign(claims))

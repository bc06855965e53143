"""A scripted SIP telephone, or a whole telephone network behind one trunk, in plain asyncio.

    pstn = await Phone(plan={"+33199000001": Answer(press=("1",))}).open()
    alice = await Phone(user="alice", password="…", registrar=("127.0.0.1", 5060)).open(); await alice.register()

What a call does is said by `plan`: number → behaviour (`Answer`, `Reject`, `Ring`). Every SIP message is kept in
`wire`, so that a test can look for what must never be there. UDP, PCMU and telephone events only.
Standards: RFC 3261, RFC 3264 (one answer to one offer), RFC 2617 (digest), RFC 3311 (UPDATE).
Known limits: no retransmission of its own (loopback loses nothing), one contact, no TCP.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import cast

from lab.audio import Rtp
from lab.dialogue import (
    Address,
    Answer,
    Behaviour,
    Call,
    Headers,
    Reject,
    Ring,
    between,
    credentials,
    headers_of,
)

__all__ = ["Address", "Answer", "Behaviour", "Call", "Headers", "Phone", "Reject", "Ring", "headers_of"]


class Phone(asyncio.DatagramProtocol):
    def __init__(
        self,
        *,
        user: str = "pstn",
        password: str = "",
        registrar: Address | None = None,
        plan: Mapping[str, Behaviour] | Callable[[str], Behaviour] | None = None,
        hertz: int = 440,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.user, self.password, self.registrar = user, password, registrar
        self.plan = plan if plan is not None else {}
        self.hertz, self.host, self.port = hertz, host, port
        self.session: tuple[str, ...] = ()  # the first lines of its SDP: o=, s=, i=, u=, e=, p= (RFC 4566, 5)
        self.wire: list[tuple[float, str, str]] = []  # (monotonic time, "in" or "out", message)
        self.calls: list[Call] = []  # every call that ever came, the newest last
        self._cancelled: set[str] = set()  # Call-IDs of calls that were given up before they had an audio socket
        self._arrived = asyncio.Event()
        self._pending: dict[tuple[str, str], asyncio.Future[tuple[int, Headers]]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> Phone:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, self.port))
        return self

    async def close(self) -> None:
        for call in self.calls:
            self._finish(call, "closed")
        if self._transport:
            self._transport.close()
        await asyncio.sleep(0.01)  # sockets are closed by the loop, not by the call above

    def forget_calls(self) -> None:
        """Whoever is up hangs up; what still rings is left to itself, without its audio socket."""
        for call in self.calls:
            self.hang_up(call)
            self._finish(call, "forgotten")
        self.calls.clear()

    async def call(self, number: str = "", *, timeout_s: float = 8.0, since: int = 0) -> Call:
        """The newest call to a number (any, where empty) that has come or comes within the time."""
        async with asyncio.timeout(timeout_s):
            while True:
                for call in reversed(self.calls[since:]):
                    if number in ("", call.number):
                        return call
                self._arrived.clear()
                await self._arrived.wait()

    def heard_of(self, text: str) -> list[str]:
        """Every SIP message received that holds the text."""
        return [message for _, way, message in self.wire if way == "in" and text in message]

    # --- wire ---------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def _put(self, message: str, peer: Address) -> None:
        self.wire.append((time.monotonic(), "out", message))
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(message.encode(), peer)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        message = data.decode("utf-8", "replace")
        if len(message) < 8:  # a keep-alive
            return
        self.wire.append((time.monotonic(), "in", message))
        headers = headers_of(message)
        if message.startswith("SIP/2.0"):
            future = self._pending.get((headers["call-id"][0], headers["cseq"][0]))
            code = int(message.split(" ", 2)[1])
            if future and code >= 200 and not future.done():
                future.set_result((code, headers))
            return
        method, uri, _ = message.split(" ", 2)
        self._on_request(method, uri, headers, message, addr)

    def _reply(
        self,
        code: int,
        headers: Headers,
        peer: Address,
        *,
        body: str = "",
        extra: tuple[str, ...] = (),
        to: str = "",
    ) -> None:
        lines = [f"SIP/2.0 {code} {'OK' if code < 300 else 'No'}"]
        lines += [f"Via: {via}" for via in headers["via"]]
        lines += [f"From: {headers['from'][0]}", f"To: {to or headers['to'][0]}"]
        lines += [f"Call-ID: {headers['call-id'][0]}", f"CSeq: {headers['cseq'][0]}", *extra]
        if 100 < code < 300:
            lines += [f"Contact: <sip:{self.user}@{self.host}:{self.port}>", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"]
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        self._put("\r\n".join(lines) + "\r\n\r\n" + body, peer)

    # --- calls that come --------------------------------------------------------------------------------------
    def _on_request(self, method: str, uri: str, headers: Headers, message: str, peer: Address) -> None:
        call = next((c for c in self.calls if c.call_id == headers["call-id"][0]), None)
        match method:
            case "INVITE" if call is None:
                self._reply(100, headers, peer)
                task = asyncio.get_running_loop().create_task(self._take(uri, headers, message, peer))
                task.add_done_callback(lambda t: t.cancelled() or t.exception())
            case "INVITE" if call and call.state == "up":  # a re-INVITE
                self._reply(200, headers, peer, body=self._sdp(call))
            case "INVITE":
                pass  # a retransmission
            case "ACK":
                if call and call.state == "up":
                    call.up.set()
            case "CANCEL":
                self._reply(200, headers, peer)
                if call is None:
                    self._cancelled.add(headers["call-id"][0])
                elif call.state in ("new", "ringing"):
                    call.reason = headers.get("reason", [""])[0]
                    self._reply(487, call.headers, peer, to=call.local)
                    self._finish(call, "cancelled")
            case "BYE":
                self._reply(200 if call else 481, headers, peer)
                if call:
                    call.reason = headers.get("reason", [""])[0]
                    self._finish(call, "left by the other side")
            case _:  # OPTIONS, UPDATE, NOTIFY
                self._reply(200, headers, peer)

    async def _take(self, uri: str, headers: Headers, message: str, peer: Address) -> None:
        call = Call(
            call_id=headers["call-id"][0],
            number=between(uri, r"^sips?:([^@;]*)"),
            invite=message,
            headers=headers,
            peer=peer,
            local=f"{headers['to'][0]};tag={random.getrandbits(32):x}",
            remote=headers["from"][0],
            target=between(headers["contact"][0], r"<([^>]*)>"),
            rtp=await Rtp.open(self.hertz, self.host),
            invited_at=time.monotonic(),
        )
        self.calls.append(call)
        self._arrived.set()
        call.task = asyncio.current_task()
        if self._transport is None or self._transport.is_closing():  # while the audio socket was opened
            self._finish(call, "closed")
            return
        if call.call_id in self._cancelled:
            self._reply(487, call.headers, call.peer, to=call.local)
            self._finish(call, "cancelled")
            return
        behaviour = self.plan(call.number) if callable(self.plan) else self.plan.get(call.number, Reject(code=404))
        await self._behave(call, behaviour)

    async def _behave(self, call: Call, behaviour: Behaviour) -> None:
        match behaviour:
            case Ring(headers=extra):
                self._ring(call, extra)
            case Reject(code=code, after=after, ring=ring, headers=extra):
                if ring:
                    self._ring(call, ())
                await asyncio.sleep(after)
                self._reply(code, call.headers, call.peer, to=call.local, extra=extra)
                self._finish(call, f"rejected {code}")
            case Answer(after=after, press=press, hang_up=hang_up, headers=extra, early_media=early):
                if early:
                    self._reply(183, call.headers, call.peer, to=call.local, body=self._sdp(call), extra=extra)
                    self._talk(call)
                    call.state = "ringing"
                else:
                    self._ring(call, extra)
                await asyncio.sleep(after)
                self.answer(call, extra)
                for pause, keys in press:
                    await asyncio.sleep(pause)
                    call.rtp.press(keys)
                if hang_up is not None:
                    await asyncio.sleep(hang_up)
                    self.hang_up(call)

    def _ring(self, call: Call, extra: tuple[str, ...]) -> None:
        call.state = "ringing"
        self._reply(180, call.headers, call.peer, to=call.local, extra=extra)

    def answer(self, call: Call, extra: tuple[str, ...] = ()) -> None:
        """Take a call that rings (by a person's press in the demo)."""
        if call.state not in ("new", "ringing"):
            return
        call.state = "up"
        call.answered_at = time.monotonic()
        self._reply(200, call.headers, call.peer, body=self._sdp(call), to=call.local, extra=extra)
        self._talk(call)

    def reject(self, call: Call, code: int = 603) -> None:
        """Refuse a call that rings."""
        if call.state in ("new", "ringing"):
            self._reply(code, call.headers, call.peer, to=call.local)
            self._finish(call, f"rejected {code}")

    def _sdp(self, call: Call) -> str:
        session = "\r\n".join(self.session or (f"o=- 1 1 IN IP4 {self.host}", "s=-"))
        return (
            f"v=0\r\n{session}\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            f"m=audio {call.rtp.port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
        )

    def _talk(self, call: Call) -> None:
        port = between(call.invite, r"(?m)^m=audio (\d+)")
        host = between(call.invite, r"(?m)^c=IN IP4 (\S+)")
        if port and host:
            call.rtp.start((host, int(port)))

    def _finish(self, call: Call, state: str) -> None:
        if call.over.is_set():
            return
        call.state = state
        call.over.set()
        call.up.set()
        call.rtp.close()
        if call.task and call.task is not asyncio.current_task() and not call.task.done():
            call.task.cancel()

    # --- requests of our own ------------------------------------------------------------------------------------
    def _request(
        self,
        method: str,
        uri: str,
        peer: Address,
        dialogue: tuple[str, str, str],
        sequence: int,
        extra: tuple[str, ...] = (),
        body: str = "",
        kind: str = "application/sdp",
    ) -> None:
        call_id, local, remote = dialogue
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{random.getrandbits(48):x};rport",
            "Max-Forwards: 70",
            f"From: {local}",
            f"To: {remote}",
            f"Call-ID: {call_id}",
            f"CSeq: {sequence} {method}",
            f"Contact: <sip:{self.user}@{self.host}:{self.port}>",
            *extra,
            *([f"Content-Type: {kind}"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._put("\r\n".join(lines) + "\r\n\r\n" + body, peer)

    def hang_up(self, call: Call, *extra: str) -> None:
        if call.state != "up":
            return
        call.sequence += 1
        self._request("BYE", call.target, call.peer, (call.call_id, call.local, call.remote), call.sequence, extra)
        self._finish(call, "hung up")

    def update(self, call: Call, *extra: str) -> None:
        """Send a mid-call UPDATE, as telephones do that tell their identity late."""
        call.sequence += 1
        self._request("UPDATE", call.target, call.peer, (call.call_id, call.local, call.remote), call.sequence, extra)

    def invite_again(self, call: Call, *extra: str) -> None:
        """A re-INVITE with the same audio (RFC 3261, 14)."""
        call.sequence += 1
        dialogue = (call.call_id, call.local, call.remote)
        future: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        self._pending[(call.call_id, f"{call.sequence} INVITE")] = future
        sequence = call.sequence
        self._request("INVITE", call.target, call.peer, dialogue, sequence, extra, body=self._sdp(call))
        future.add_done_callback(lambda _: self._request("ACK", call.target, call.peer, dialogue, sequence))

    def send(self, call: Call, method: str, kind: str, body: str) -> None:
        """Something else within the dialogue, such as INFO (RFC 6086)."""
        call.sequence += 1
        dialogue = (call.call_id, call.local, call.remote)
        self._request(method, call.target, call.peer, dialogue, call.sequence, (), body, kind)

    def refer(self, call: Call, to: str) -> None:
        """Ask the other side to call someone else (RFC 3515)."""
        call.sequence += 1
        dialogue = (call.call_id, call.local, call.remote)
        self._request("REFER", call.target, call.peer, dialogue, call.sequence, (f"Refer-To: <{to}>",))

    def dial(self, number: str, *, caller: str = "", hertz: int | None = None) -> Call:
        """Call a number at the registrar; `up` tells when it has answered, `over` when that is over."""
        assert self.registrar
        host, port = self.registrar
        user, uri = caller or self.user, f"sip:{number}@{host}:{port}"
        call = Call(
            call_id=f"dial{random.getrandbits(48):x}",
            number=number,
            invite="",
            headers={},
            peer=self.registrar,
            local=f"<sip:{user}@{self.host}>;tag=d{random.getrandbits(32):x}",
            remote=f"<{uri}>",
            target=uri,
            rtp=Rtp(self.hertz if hertz is None else hertz),
            state="calling",
            invited_at=time.monotonic(),
        )
        self.calls.append(call)
        call.task = asyncio.get_running_loop().create_task(self._place(call))
        call.task.add_done_callback(lambda t: t.cancelled() or t.exception())
        return call

    def cancel(self, call: Call) -> None:
        """Give a call up that rings (RFC 3261, 9.1): the same branch as its INVITE."""
        invite = next(m for _, way, m in self.wire if way == "out" and call.call_id in m and m.startswith("INVITE"))
        via = headers_of(invite)["via"][0]
        lines = [f"CANCEL {call.target} SIP/2.0", f"Via: {via}", "Max-Forwards: 70", f"From: {call.local}"]
        lines += [f"To: {call.remote}", f"Call-ID: {call.call_id}", "CSeq: 1 CANCEL", "Content-Length: 0"]
        self._put("\r\n".join(lines) + "\r\n\r\n", call.peer)

    async def _place(self, call: Call) -> None:
        call.rtp = await Rtp.open(call.rtp.hertz, self.host)
        dialogue = (call.call_id, call.local, call.remote)
        future: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        self._pending[(call.call_id, "1 INVITE")] = future
        self._request("INVITE", call.target, call.peer, dialogue, 1, body=self._sdp(call))
        code, headers = await future
        call.remote = headers["to"][0]
        if code >= 300:
            self._request("ACK", call.target, call.peer, (call.call_id, call.local, call.remote), 1)
            self._finish(call, f"refused {code}")
            return
        call.target = between(headers["contact"][0], r"<([^>]*)>")
        self._request("ACK", call.target, call.peer, (call.call_id, call.local, call.remote), 1)
        call.state, call.answered_at = "up", time.monotonic()
        call.invite = next(
            m for _, way, m in reversed(self.wire) if way == "in" and call.call_id in m and "m=audio" in m
        )
        self._talk(call)
        call.up.set()

    async def ask(self, method: str, uri: str, timeout_s: float = 5.0) -> int:
        """A request of a stranger, outside of any dialogue, without an offer of audio; the final status code."""
        assert self.registrar
        call_id, me = f"ask{random.getrandbits(48):x}", f"<sip:{self.user}@{self.host}>"
        future: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
        self._pending[(call_id, f"1 {method}")] = future
        self._request(method, uri, self.registrar, (call_id, f"{me};tag=a1", f"<{uri}>"), 1)
        return (await asyncio.wait_for(future, timeout_s))[0]

    async def register(self, expires_s: int = 300) -> int:
        """Register with the registrar; the final status code. 0 seconds take the registration away."""
        assert self.registrar
        host, port = self.registrar
        uri, me = f"sip:{host}:{port}", f"<sip:{self.user}@{host}>"
        call_id = f"reg{random.getrandbits(48):x}"
        extra: tuple[str, ...] = (f"Expires: {expires_s}",)
        code = 0
        for sequence in (1, 2):
            key = (call_id, f"{sequence} REGISTER")
            future: asyncio.Future[tuple[int, Headers]] = asyncio.get_running_loop().create_future()
            self._pending[key] = future
            self._request("REGISTER", uri, self.registrar, (call_id, f"{me};tag=r1", me), sequence, extra)
            code, headers = await asyncio.wait_for(future, 5)
            if code != 401:
                return code
            shown = credentials(headers["www-authenticate"][0], "REGISTER", uri, self.user, self.password)
            extra = (f"Expires: {expires_s}", shown)
        return code

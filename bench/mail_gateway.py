"""A gateway process for the bench: server and relay with a transform that does nothing or signs.

python bench/mail_gateway.py --listen 127.0.0.1:10025 --next-hop 127.0.0.1:10026 --transform none|sign
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from smtp_hooks.dkim import Signer
from smtp_hooks.dkim_keys import generate, load
from smtp_hooks.envelope import Envelope
from smtp_hooks.relay import Relay, RelaySettings
from smtp_hooks.server import Server, ServerSettings
from smtp_hooks.transaction import Passthrough, Transform, unchanged


def signing() -> Transform:
    """Signs as example.org with a key of this run."""
    signer = Signer([load("example.org", "bench", generate())])

    async def sign(envelope: Envelope, message: bytes) -> bytes:
        return signer.sign(message, reverse_path=envelope.reverse_path, now=time.time())

    return sign


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--next-hop", required=True)
    parser.add_argument("--transform", choices=["none", "sign"], default="none")
    parser.add_argument("--profile", help="file for cProfile's figures, written at the end")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    next_host, _, next_port = options.next_hop.rpartition(":")
    relay = Relay(RelaySettings(host=next_host, port=int(next_port)))
    transform = signing() if options.transform == "sign" else unchanged
    server = Server(ServerSettings(host=host, port=int(port)), Passthrough(relay, transform))
    await server.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    if options.profile:
        import cProfile

        with cProfile.Profile() as profile:
            await stopped.wait()
        profile.dump_stats(options.profile)
    await stopped.wait()
    await server.stop()
    await relay.close()


if __name__ == "__main__":
    uvloop.run(main())

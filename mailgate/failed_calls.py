"""Failed calls, who waits, and notices by telephone: built from the configuration, for `mailgate.serve`."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mailgate.calls import speech
from mailgate.calls.asterisk import Asterisk
from mailgate.calls.asterisk.failed import Callers
from mailgate.calls.asterisk.telling import Teller
from mailgate.calls.failed import FailedCall, Nothing, Verdict
from mailgate.calls.music import music
from mailgate.calls.speech import Speech
from mailgate.config import Config
from mailgate.configured import asterisk_settings, dial
from mailgate.networks.missed_call import guests
from mailgate.networks.telephone import TelephoneNetwork
from mailgate.offers.held import Held
from mailgate.offers.missed_call import Limits, MissedCalls, MissedSettings
from mailgate.offers.notice import Network, Notice
from mailgate.offers.service import Offers
from mailgate.spoken import Spoken
from mailgate.store import accounts, missed_calls
from mailgate.store.database import Store
from mailgate.store.seal import Sealer
from mailgate.waiting import HoldSettings, Waiting

log = logging.getLogger(__name__)


class FailedCalls:
    """One gateway's. `start` before Asterisk is connected, `connected` in its `on_connected`."""

    def __init__(
        self,
        config: Config,
        *,
        store: Store,
        sealer: Sealer,
        asterisk: Asterisk,
        offers: Offers,
        held: Held,
        voice: Speech,
        posted: Callable[[], None],
    ) -> None:
        """`posted` is called when a message waits in the outbox. Raises ConfigError."""
        wished = config.failed_calls
        self._config = config
        self._store = store
        self._sealer = sealer
        self._asterisk = asterisk
        self._who_waits = held
        self._spoken = Spoken(voice, speech.sentences)
        self._music = config.asterisk.sounds / f"hold-{wished.word_every_s}"
        missed = MissedCalls(
            store=store,
            sealer=sealer,
            offers=offers,
            dial=dial(config),
            settings=MissedSettings(
                trunks=frozenset(line.name for line in asterisk_settings(config).lines),
                region=config.gateway.region,
                own_number=config.gateway.number,
                guests=guests(),
                holds=wished.hold_s > 0,
                limits=Limits(by_caller=wished.most_by_caller, to_callee=wished.most_to_party),
            ),
            now=time.time,
            posted=posted,
        )
        self._waiting = Waiting(
            store=store,
            sealer=sealer,
            offers=offers,
            held=held,
            missed=missed,
            callers=lambda: self._callers,
            spoken=self._spoken,
            settings=HoldSettings(
                seconds=wished.hold_s,
                music=f"class:{wished.music}" if wished.music else str(self._music),
                language=config.gateway.language,
                ring_s=config.call.ring_offeree_s,
            ),
        )
        self._callers = Callers(
            asterisk,
            on_failed=self._waiting.failed if wished.offers else _nothing,
            on_held=self._waiting.news,
            on_present=self._waiting.present,
            clock=time.time,
        )

    async def start(self) -> None:
        """Make what is needed; without its music a gateway still works."""
        await self._store.transact(lambda rows: accounts.know_callers(rows, self._sealer))
        await self._store.transact(lambda rows: missed_calls.purge(rows, time.time()))
        if not self._config.failed_calls.music:
            await asyncio.to_thread(_keep_music, self._music, self._config.failed_calls.word_every_s)
        self._callers.start()

    async def connected(self) -> None:
        """Take in what Asterisk has kept. Raises OutcomeUnknown."""
        await self._callers.connected()

    async def stop(self) -> None:
        await self._callers.stop()
        await self._waiting.close()

    def telephone(self) -> Network:
        """Notices that are spoken, for those who wish so. Raises ConfigError."""
        ringer = Teller(self._asterisk, asterisk_settings(self._config), time.time)
        return TelephoneNetwork(ringer, self._compose, lambda offer_id: self._who_waits.channel(offer_id) is not None)

    async def _compose(self, notice: Notice) -> tuple[Sequence[str], str]:
        values, language = notice.values, notice.language
        text, name = values.get("text", ""), values.get("offeree", "")
        kind = "tell-replied" if notice.kind.value == "replied" else "tell-declined-text" if text else "tell-declined"
        sounds = [await self._spoken.ours(kind, language, name)]
        if values.get("reason", "") not in ("", "other"):
            sounds.append(await self._spoken.ours(f"reason-{values['reason']}", language, name))
        sounds += await self._spoken.text(text, values.get("offeree_language", language))
        return [sound for sound in sounds if sound], await self._spoken.ours("tell-again", language, name)


async def _nothing(call: FailedCall) -> Verdict:
    return Nothing()


def _keep_music(path: Path, seconds: int) -> None:
    """Make the music once, whole or not at all."""
    target = path.with_suffix(".wav")
    if target.exists():
        return
    try:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        scratch = target.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(music(seconds))
        scratch.chmod(0o644)
        os.replace(scratch, target)
    except OSError as error:
        log.error("no music for who waits", extra={"action": "music_failed", "reason": f"{error!r:.160}"})

"""What is counted, for Prometheus. Names follow prometheus.io/docs/practices/naming; no label holds a person."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Counts(Protocol):
    """Where each message is counted."""

    def count(self, decision: str, reason: str, number: int = 1) -> None:
        """So many messages ended that way."""


class Metrics:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter(
            "mailgate_messages",
            "Messages that reached the end of DATA, by what became of them.",
            ("decision", "reason"),
            registry=self.registry,
        )

        self._children: dict[tuple[str, str], Counter] = {}

    def count(self, decision: str, reason: str, number: int = 1) -> None:
        child = self._children.get((decision, reason))
        if child is None:
            child = self._children[decision, reason] = self.messages.labels(decision=decision, reason=reason)
        child.inc(number)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

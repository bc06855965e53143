"""What is counted, for Prometheus. Names follow prometheus.io/docs/practices/naming; no label holds a person."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest


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

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

"""The edge to Asterisk: `link` is one AMI connection, `edge` what the rest of mailgate uses."""

from mailgate.calls.asterisk.edge import Asterisk, OnConnected, OnDialIn, OnEvent, Verdict

__all__ = ["Asterisk", "OnConnected", "OnDialIn", "OnEvent", "Verdict"]

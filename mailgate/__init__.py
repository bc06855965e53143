"""mailgate: an e-mail gateway that puts the offer of a telephone call into ordinary outgoing mail."""

__version__ = "0.1.0"

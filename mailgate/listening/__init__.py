"""The server's side of listening applications: their connections (`listeners`), what they are shown (`screens`),
and what they say (`hearing`)."""

from mailgate.listening.hearing import Hearing
from mailgate.listening.listeners import Listeners
from mailgate.listening.screens import Screens
from mailgate.listening.settings import Link, ListeningSettings, Say

__all__ = ["Hearing", "Link", "Listeners", "ListeningSettings", "Say", "Screens"]

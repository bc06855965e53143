"""The languages that the gateway speaks: pages, notices, notes to senders, announcements and the block in a mail. Pure.

A new one is a new entry here, a file in templates/pages/texts and templates/speech, and a table in each file of
templates/mail; tests/test_languages.py names what is missing.
"""

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "ja", "ar")
"""ISO 639-1. English first: what stands in where a language has no words of its own."""

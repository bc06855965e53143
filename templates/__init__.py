"""Jinja2 templates and icons: mail parts, pages, and the configuration that `mailgate deploy` prints."""

"""The API for programs, `/api/v1`: JSON over HTTP with a key for each account; docs/api.md tells it to its users."""

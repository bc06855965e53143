"""The demonstration: an e-mail becomes a telephone call, on a page in the browser or (`--once`) without one."""

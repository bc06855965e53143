"""The listening application: shows offers of calls as they come in, and answers them. See docs/listening.md."""

"""The demo: every scene sold through HTTP in a throw-away database, with real processes that are made to fail."""

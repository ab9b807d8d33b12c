"""Running flows: the executor, its journal, and the outbox of work that must happen after a commit."""

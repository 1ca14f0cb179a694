"""The bus of a process on its own: the outbox table is the queue."""

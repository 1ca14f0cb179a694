"""What can be done with conversations: one use case per file."""

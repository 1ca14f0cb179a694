"""What the relay does, one use case a file."""

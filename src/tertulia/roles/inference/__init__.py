"""Inference: from a request to a stored reply, token by token."""

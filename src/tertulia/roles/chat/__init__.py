"""Conversations, turns, streams and the live feed; `/chat/*` and `/v1/*`."""

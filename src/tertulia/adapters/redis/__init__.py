"""Ports held in Redis: what the processes of one installation share and can afford to lose."""

"""Ports held in this process's memory: what a process on its own needs, and fakes for tests."""

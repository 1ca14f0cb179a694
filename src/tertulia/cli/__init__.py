"""The command line."""

from tertulia.cli.app import main

__all__ = ["main"]

"""Tertulia: a chat platform that people host themselves."""

from typing import Final

__version__: Final = "0.1.0"

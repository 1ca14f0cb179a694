"""The real model."""

from tests.smollm2 import smollm2

__all__ = ["smollm2"]

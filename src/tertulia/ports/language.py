"""Which language a text is in."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """`language`: the primary BCP 47 tag (two letters where there are any), None when the text
    gives no ground for a guess. `confidence`: 0 to 1."""

    language: str | None
    confidence: float


class LanguageDetector(Protocol):
    async def detect(self, text: str) -> LanguageGuess:
        """The best guess for any text, the empty one included. It raises nothing, uses no
        network and never blocks the event loop."""
        ...

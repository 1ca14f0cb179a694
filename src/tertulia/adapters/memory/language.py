"""A language detector that knows the words it is told."""

from collections import Counter
from collections.abc import Mapping

from tertulia.ports.language import LanguageGuess


class MemoryLanguageDetector:
    """Guesses by known words (lower case → language); confidence is their share of all words."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words

    async def detect(self, text: str) -> LanguageGuess:
        """See the port."""
        words = [word.strip(".,;:!?¿¡") for word in text.lower().split()]
        known = Counter(self._words[word] for word in words if word in self._words)
        if not known:
            return LanguageGuess(None, 0.0)
        language, count = known.most_common(1)[0]
        return LanguageGuess(language, count / len(words))

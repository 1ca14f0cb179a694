"""What every adapter of LanguageDetector keeps."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from tertulia.adapters.langdetect.detector import FastLangDetector
from tertulia.adapters.memory.language import MemoryLanguageDetector
from tertulia.ports.language import LanguageDetector, LanguageGuess

ENGLISH = "What is the capital of France, and how many people live there?"
WORDS = {"what": "en", "is": "en", "the": "en", "of": "en", "how": "en", "many": "en", "cuál": "es"}
ADAPTERS: dict[str, Callable[[], LanguageDetector]] = {
    "langdetect": FastLangDetector,
    "memory": lambda: MemoryLanguageDetector(WORDS),
}


@pytest.fixture(params=list(ADAPTERS.values()), ids=list(ADAPTERS))
def detector(request: pytest.FixtureRequest) -> LanguageDetector:
    return request.param()


async def test_a_language_is_named_by_its_tag(detector: LanguageDetector) -> None:
    guess = await detector.detect(ENGLISH)
    assert guess.language == "en"
    assert guess.confidence > 0.4


@pytest.mark.parametrize("text", ["", " \n", "1234 5678", "?!", "😀😀", "ja"])
async def test_text_that_tells_nothing_has_no_language(
    detector: LanguageDetector, text: str
) -> None:
    assert await detector.detect(text) == LanguageGuess(None, 0.0)


@pytest.mark.parametrize("text", ["a\nb\nc what is", "\x00\x00\x00", "x" * 1_000_000, "\ud800abc"])
async def test_any_text_is_answered(detector: LanguageDetector, text: str) -> None:
    assert 0 <= (await detector.detect(text)).confidence <= 1


async def test_many_may_ask_at_once(detector: LanguageDetector) -> None:
    guesses = await asyncio.gather(*(detector.detect(ENGLISH) for _ in range(20)))
    assert len(set(guesses)) == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("¿Cuál es la capital de Francia?", "es"),
        ("Wie heißt die Hauptstadt von Frankreich?", "de"),
        ("フランスの首都はどこですか", "ja"),
        ("你好", "zh"),
        ("Какая столица у Франции?", "ru"),  # noqa: RUF001  Russian
    ],
)
async def test_the_model_in_the_package_knows_languages_without_network(
    text: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert (await FastLangDetector().detect(text)).language == language

"""What a model reads of what a person wrote."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.normalization import count_words, normalized

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
# Text with more of what matters here than chance would bring.
TRICKY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "a\u200b\u200c\u200d\u202e\ufe0f\u0301\r\n\u037e\U0001f3f4\U000e0067\U000e007f"
        ),
    )
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("cafe\u0301", "café"),
        ("x² ﬁ ①", "x² ﬁ ①"),  # no compatibility forms: the meaning would change
        ("a\x00b\x07c\td", "abc\td"),
        ("\ufeffhi\u200b there\u2060", "hi there"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("half\ud800", "half"),
        ("ig\u200dno\u200cre", "ignore"),
        ("❤\ufe0f\ufe0f\ufe0f", "❤\ufe0f"),
    ],
)
def test_what_cannot_be_seen_goes(written: str, read: str) -> None:
    assert normalized(written) == read


@pytest.mark.parametrize(
    "text",
    [
        "plain text, with\ttabs\nand lines",
        "👩\u200d💻 ❤\ufe0f 🇪🇸",  # joined emoji, presentation, flags
        SCOTLAND,
        "می\u200cخواهم",  # noqa: RUF001  Persian parts words by a non-joiner
        "क\u094d\u200dष",
        "日本語のテキスト",
        "  indented\n    code  ",
    ],
)
def test_what_scripts_and_emoji_need_stays(text: str) -> None:
    assert normalized(text) == text


@given(TRICKY)
def test_normal_text_stays_as_it_is(text: str) -> None:
    once = normalized(text)
    assert normalized(once) == once
    assert unicodedata.is_normalized("NFC", once)
    once.encode()  # every text that comes out can be stored


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("one two  three\nfour", 4),
        ("don't stop, won\u2019t stop", 4),
        ("日本語", 3),
        ("snake_case 2+2", 4),
        ("… — !", 0),
    ],
)
def test_words_are_counted_as_a_person_would(text: str, words: int) -> None:
    assert count_words(text) == words

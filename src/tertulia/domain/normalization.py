"""What a model reads of what a person wrote: the same text, without what cannot be seen.

Canonical composition (NFC, Unicode Annex 15) changes no meaning; the compatibility forms (NFKC)
would turn x² into x2. Invisible characters are a way to hide instructions in pasted text ("Trojan
Source", CVE-2021-42574; tag characters), so they go, except where scripts and emoji need them.
"""

import re
import unicodedata
from typing import Final

_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_FLAG: Final = "\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f"  # England's, Scotland's, …
_INVISIBLE: Final = re.compile(
    f"({_FLAG})|["
    "\x00-\x08\x0e-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\xad\u200b\u2060\ufeff"  # soft hyphen, zero-width space, word joiner, byte order mark
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    "\u180e\u2061-\u2065\u206a-\u206f\ufff9-\ufffb"  # format characters, some deprecated
    "\ud800-\udfff"  # halves of characters
    "\U000e0000-\U000e00ff"  # tags, except in flags
    "]"
)
# Between letters of Persian or Hindi and between emoji, joiners matter; next to ASCII never.
_STRAY_JOINER: Final = re.compile(
    "(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f\u200c\u200d])"
)
_SELECTORS: Final = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_EXTRA_SELECTORS: Final = re.compile(f"({_SELECTORS}){_SELECTORS}+")
_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(f"[{_CJK}]|[^\\W_{_CJK}]+(?:['\u2019][^\\W_{_CJK}]+)*")


def normalized(text: str) -> str:
    """The text in normal form; normal text comes back as it is. Lines end with a line feed."""
    if text.isascii() and text.isprintable():
        return text
    while (cleaned := _cleaned(text)) != text:
        text = cleaned
    return text


def count_words(text: str) -> int:
    """Words as a person counts them; in Chinese and Japanese, where nothing parts them,
    characters."""
    return sum(1 for _ in _WORD.finditer(text))


def _cleaned(text: str) -> str:
    text = unicodedata.normalize("NFC", _LINE_END.sub("\n", text))
    text = _INVISIBLE.sub(r"\1", text)
    return _EXTRA_SELECTORS.sub(r"\1", _STRAY_JOINER.sub("", text))

"""What `echo/<tokens>/<ms>` says, told from its documentation rather than from its code."""

import re
from itertools import cycle, islice

from tertulia.domain.normalization import normalized


def echoed(text: str, tokens: int) -> str:
    """The words of `text`, each with the white space before it, over and over, `tokens` of them.
    The model sees normalised text."""
    words = re.findall(r"\s*\S+", normalized(text).strip())
    words = [word if word[0].isspace() else f" {word}" for word in words]
    return "".join(islice(cycle(words), tokens)).removeprefix(" ")

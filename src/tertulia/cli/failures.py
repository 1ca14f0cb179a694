"""What went wrong, as one sentence."""

import traceback
from typing import cast

from tertulia.kit.errors import TertuliaError


def sentence(error: BaseException) -> str:
    """The message of the first error that was meant for people, else what and where it was."""
    leaves = list(_leaves(error))
    meant = next((leaf for leaf in leaves if isinstance(leaf, TertuliaError)), None)
    if meant is not None:
        said = meant.message[:1].upper() + meant.message[1:]
        return said if said.endswith((".", "?", "!")) else f"{said}."
    first = leaves[0]
    if isinstance(first, OSError):
        about = f" ({first.filename})" if first.filename else ""
        return f"The system refused: {(first.strerror or str(first)).lower()}{about}."
    frames = traceback.extract_tb(first.__traceback__)
    where = f" in {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"This is a bug: {type(first).__name__}{where}; please report it."


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for inner in group.exceptions for leaf in _leaves(inner)]
    return [error]

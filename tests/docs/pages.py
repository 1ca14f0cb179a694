"""Pages of the documentation as a list of code blocks, each with the comment that stands above it.

A block may carry one of these, as an HTML comment on the line before it:

- `<!-- not run: REASON -->`: it is not executed.
- `<!-- background until: TEXT -->`: it is started, goes on until the page ends, and the next block
  waits until it has printed TEXT.
- `<!-- prints -->`: it is what the block before it prints; `…` stands for anything.
- `<!-- file: NAME -->`: it is written to that file in the working directory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
GENERATED: Final = "<!-- Made from the code by tools/reference.py"
EXECUTED: Final = frozenset({"bash", "python"})

_FENCE: Final = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*).*$")
_COMMENT: Final = re.compile(r"^ *<!-- (?P<word>[a-z ]+?)(?:: (?P<rest>.+))? -->$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """`word` and `rest` are the two halves of the comment above it."""

    line: int
    language: str
    text: str
    word: str
    rest: str


def pages() -> list[Path]:
    """Everything written for readers; generated pages are checked against the code instead."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if GENERATED not in page.read_text()]


def blocks(page: Path) -> Iterator[Block]:
    lines = page.read_text().splitlines()
    comment, number = None, 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if opening is None:
            comment = _COMMENT.match(lines[number]) or (comment if not lines[number] else None)
            number += 1
            continue
        indent = opening["indent"]
        end = lines.index(f"{indent}```", number + 1)
        yield Block(
            line=number + 1,
            language=opening["language"],
            text="\n".join(line.removeprefix(indent) for line in lines[number + 1 : end]),
            word=comment["word"] if comment else "",
            rest=(comment["rest"] or "") if comment else "",
        )
        comment, number = None, end + 1

"""What the documentation says to type works, and prints what it says."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import EXECUTED, ROOT, Block, blocks, pages
from tests.docs.reader import reading

WITH_CODE = [page for page in pages() if any(b.language in EXECUTED for b in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_page_works_as_written(page: Path, tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        for block in blocks(page):
            try:
                reader.follow(block)
            except (AssertionError, pytest.fail.Exception) as error:
                error.add_note(f"in {name(page)}, line {block.line}")
                raise


@pytest.mark.parametrize("page", pages(), ids=name)
def test_data_in_pages_is_well_formed(page: Path) -> None:
    for block in blocks(page):
        if block.language == "json" and "…" not in block.text:
            json.loads(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        else:
            assert block.language, f"line {block.line}: a block names its language"


def test_block_that_fails_fails_its_page(tmp_path: Path) -> None:
    with reading(tmp_path) as reader, pytest.raises(AssertionError, match="exit code 3"):
        reader.follow(block("bash", "exit 3"))


def test_output_that_differs_is_told(tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        reader.follow(block("bash", "export SAID=one; echo $SAID two three"))
        reader.follow(block("text", "one … three", "prints"))
        with pytest.raises(AssertionError, match="printed"):
            reader.follow(block("text", "one … four", "prints"))


def test_exports_and_files_stay_for_the_next_block(tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        reader.follow(block("toml", "x = 1", "file", "a.toml"))
        reader.follow(block("bash", "export NAME='two words'"))
        reader.follow(
            block("python", "import os; print(os.environ['NAME'], open('a.toml').read())")
        )
        reader.follow(block("text", "two words x = 1", "prints"))


def test_block_is_left_out_for_a_reason_only(tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        reader.follow(block("bash", "exit 3", "not run", "it needs a real GPU"))
        with pytest.raises(AssertionError, match="says why"):
            reader.follow(block("bash", "exit 3", "not run"))


def block(language: str, text: str, word: str = "", rest: str = "") -> Block:
    return Block(line=1, language=language, text=text, word=word, rest=rest)

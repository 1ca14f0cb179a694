"""Makes the README's picture: a real answer of the real model, in the page as it is.

    python tools/screenshot.py            a server of its own, with the model that it pulls
    python tools/screenshot.py FOLDER     … from the GGUF files in FOLDER

Needs the built page, the extra `embedded` and a Chromium browser.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.page.browser import find_browser, launch  # noqa: E402  the path is set just above

PICTURE: Final = ROOT / "docs/assets/screenshot.png"
LARGEST_BYTES: Final = 300_000
MODEL: Final = "qwen2.5-coder-1.5b-instruct"
MODEL_MS: Final = 30 * 60_000
ANSWER_MS: Final = 5 * 60_000
EARLIER: Final = (
    "Suggest a name for a cat that sleeps all day.",
    "How long do lentils have to cook?",
    "What is the capital of Uruguay?",
)
QUESTION: Final = (
    "Compare Python's list and tuple in a table with three rows: syntax, can it change, used for. "
    "Then one short example in code."
)


def main(folder: str | None) -> None:
    with tempfile.TemporaryDirectory() as home, serving(Path(home), folder) as link:
        take(link)
    size = PICTURE.stat().st_size
    if size > LARGEST_BYTES:
        sys.exit(f"{PICTURE} has {size} bytes: more than {LARGEST_BYTES}")


@contextmanager
def serving(home: Path, folder: str | None) -> Generator[str]:
    """A server with nothing in it; the link to sign in with."""
    own = {} if folder is None else {"TERTULIA_MODELS_OWN": json.dumps([folder])}
    command = [sys.executable, "-m", "tertulia", "up", "--home", str(home)]
    command += ["--address", "127.0.0.1:0"]
    with subprocess.Popen(
        command, env={**os.environ, **own}, stdout=subprocess.PIPE, text=True
    ) as process:
        links = (line for line in process.stdout or () if line.startswith("Open http"))
        yield next(links).removeprefix("Open ").strip()
        process.terminate()
        for _ in links:  # what it says while it stops
            pass


def take(link: str) -> None:
    browser_path = find_browser()
    if browser_path is None:
        sys.exit("needs a Chromium browser (CHROMIUM=path)")
    with sync_playwright() as playwright:
        browser = launch(playwright, browser_path)
        page = browser.new_page(
            viewport={"width": 1280, "height": 860}, device_scale_factor=1.5, color_scheme="light"
        )
        page.goto(link)
        page.get_by_role("button", name=f"Model: {MODEL}").wait_for(timeout=MODEL_MS)
        for question in (*EARLIER, QUESTION):
            ask(page, question)
        page.locator("article").first.scroll_into_view_if_needed()
        page.get_by_label("Your message").focus()
        page.mouse.move(640, 855)
        page.screenshot(path=PICTURE, animations="disabled")
        browser.close()


def ask(page: Page, question: str) -> None:
    """Return when the answer is there and the conversation has its title."""
    page.get_by_role("link", name="New conversation", exact=True).click()
    page.get_by_label("Your message").fill(question)
    page.get_by_role("button", name="Send").click()
    page.locator("article[data-status=complete]").wait_for(timeout=ANSWER_MS)
    title = page.get_by_role("heading", level=1)
    expect(title).not_to_have_text("New conversation", timeout=ANSWER_MS)


if __name__ == "__main__":
    main(*sys.argv[1:2] or [None])

"""Getting a language model, when there is none. (The server here answers by `echo`, so what it
says of its models is told by the test.)"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.e2e.server import Server
from tests.page.browser import new_context
from tests.page.chat import Chat


@dataclass
class Shelf:
    """A server's models: one that can be had."""

    state: str = "absent"
    done_bytes: int = 0
    problem: str | None = None
    available: bool = True

    def models(self) -> dict[str, Any]:
        ready = self.state == "in_use"
        model = {"id": "small", "window_tokens": 2048, "owned_by": "somebody", "ready": ready}
        items = [{**model, "note": "" if ready else "not here yet"}]
        return {"items": items, "default": "small" if ready else None}

    def catalogue(self) -> dict[str, Any]:
        entry = {
            "name": "small",
            "licence": "Apache-2.0",
            "size_bytes": 93_000_000,
            "memory_bytes": 500_000_000,
            "window_tokens": 2048,
            "state": self.state,
            "done_bytes": self.done_bytes,
            "problem": self.problem,
            "available": self.available,
        }
        return {"items": [entry]}

    def pull(self) -> dict[str, Any]:
        self.state, self.done_bytes = "pulling", 40_000_000
        return {}


@pytest.fixture
def shelf(chat: Chat) -> Shelf:
    made = Shelf()
    answers: dict[str, Callable[[], dict[str, Any]]] = {
        "**/api/models": made.models,
        "**/api/catalogue": made.catalogue,
        "**/api/catalogue/small/pull": made.pull,
    }
    for path, answer in answers.items():
        chat.page.route(path, answering(answer))
    return made


def answering(answer: Callable[[], dict[str, Any]]) -> Callable[[Route], None]:
    return lambda route: route.fulfill(json=answer())


def test_without_a_model_one_is_offered_fetched_and_used(chat: Chat, shelf: Shelf) -> None:
    chat.page.reload()
    offer = chat.page.get_by_role("region", name="Get a language model")
    expect(offer).to_contain_text("93 MB to download")
    offer.get_by_role("button", name="Get small").click()
    expect(offer.get_by_role("progressbar")).to_be_visible()
    expect(offer).to_contain_text("40 MB of 93 MB · 43 %")
    shelf.done_bytes = 80_000_000
    expect(offer).to_contain_text("86 %")
    shelf.state = "verifying"
    expect(offer).to_contain_text("Checking…")
    shelf.state = "in_use"
    expect(offer).to_have_count(0)
    expect(chat.button("Model: small")).to_be_visible()


def test_failed_download_says_why_and_can_be_tried_again(chat: Chat, shelf: Shelf) -> None:
    shelf.state, shelf.problem = "failed", "The file is not the one it should be."
    chat.page.reload()
    offer = chat.page.get_by_role("region", name="Get a language model")
    expect(offer).to_contain_text("The file is not the one it should be.")
    offer.get_by_role("button", name="Get small").click()
    expect(offer.get_by_role("progressbar")).to_be_visible()


def test_model_that_is_too_large_is_not_offered(chat: Chat, shelf: Shelf) -> None:
    shelf.available = False
    chat.page.reload()
    offer = chat.page.get_by_role("region", name="Get a language model")
    expect(offer).to_contain_text("Too large for this machine")
    expect(offer.get_by_role("button", name="Get small")).to_be_disabled()


def test_other_model_answers_again(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path / "home", model="echo/3/1") as server, new_context(browser) as context:
        chat = Chat(context.new_page(), server.url)
        chat.sign_in(f"{server.url}/signin#{server.fresh_secret()}")
        reply = chat.ask("one two")
        chat.expect_words(reply, "one two one")
        again = reply.get_by_role("button", name="Answer again with another model")
        again.press("Enter")
        items = chat.page.get_by_role("menuitem")
        expect(items).to_have_text(["echo"])
        items.press("Enter")
        expect(chat.replies.last).to_contain_text("2/2")
        chat.expect_status(chat.replies.last, "complete")
        chat.expect_words(chat.replies.last, "one two")
        chat.button("Answer again with another model").click()
        expect(items).to_have_text(["echo/3/1"])
        expect(items).to_be_in_viewport(ratio=1)
        assert chat.complaints == []


def test_there_is_no_other_model_where_there_is_one(chat: Chat) -> None:
    reply = chat.ask("only you")
    expect(reply.get_by_role("button", name="Answer again", exact=True)).to_be_visible()
    expect(reply.get_by_role("button", name="with another model")).to_have_count(0)

"""No violation of the rules that axe knows, in any state of the page."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.server import Server
from tests.page.browser import Look, new_context
from tests.page.chat import Chat
from tests.page.people import Person
from tests.page.test_markdown import RICH

AXE: Final = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
LOOKS: Final[list[Look]] = [{}, {"dark": True}, {"phone": True}, {"phone": True, "dark": True}]
SETTLED: Final = """Promise.all(document.getAnimations()
    .filter(one => one.effect.getComputedTiming().iterations !== Infinity)
    .map(one => one.finished.catch(() => undefined)))"""
"""Half-faded text has half of its contrast."""

pytestmark = pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "phone", "phone-dark"])


@pytest.fixture(scope="module")
def axe(requires: Callable[[object, str], None]) -> str:
    requires(AXE.is_file(), "the page's packages (make page)")
    return AXE.read_text("utf-8")


def violations(chat: Chat, axe: str) -> list[str]:
    """What is wrong and where, one line each."""
    chat.page.evaluate(SETTLED)
    chat.page.evaluate(axe)
    found: dict[str, Any] = chat.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {json.dumps(node['target'])} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def test_empty_page(chat: Chat, axe: str) -> None:
    assert violations(chat, axe) == []


def test_visitor(browser: Browser, server: Server, look: Look, axe: str) -> None:
    with new_context(browser, **look) as context:
        chat = Chat(context.new_page(), server.url)
        chat.open("/signin#used-up")
        expect(chat.page.get_by_role("heading", level=1)).to_be_visible()
        assert violations(chat, axe) == []


def test_rich_answer_with_versions(chat: Chat, axe: str) -> None:
    chat.ask(RICH)
    chat.button("Answer again").click()
    expect(chat.replies.last).to_contain_text("2/2")
    chat.expect_status(chat.replies.last, "complete")
    expect(chat.replies.last.locator(".katex-display")).to_be_visible()
    assert violations(chat, axe) == []


def test_answer_being_written_and_stopped(chat: Chat, person: Person, axe: str) -> None:
    chat.open(f"/c/{person.begin(model='echo/4000/40')}")
    chat.send("and so on")
    expect(chat.replies.last).to_contain_text("and so on")
    assert violations(chat, axe) == []
    chat.button("Stop the answer").click()
    expect(chat.replies.last).to_contain_text("You stopped this answer.")
    assert violations(chat, axe) == []


def test_menu_dialogs_and_editor(chat: Chat, axe: str) -> None:
    chat.ask("open everything")
    options = chat.page.get_by_role("banner").get_by_role("button", name=re.compile("Options"))
    options.click()
    assert violations(chat, axe) == []
    chat.page.get_by_role("menuitem", name="Rename").click()
    expect(chat.page.get_by_label("Title")).to_be_visible()
    assert violations(chat, axe) == []
    chat.page.keyboard.press("Escape")
    options.click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    expect(chat.page.get_by_role("alertdialog")).to_be_visible()
    assert violations(chat, axe) == []
    chat.page.keyboard.press("Escape")
    chat.button("Edit message").click()
    expect(chat.page.get_by_label("Edit your message")).to_be_visible()
    assert violations(chat, axe) == []


def test_comment_on_an_answer(chat: Chat, axe: str) -> None:
    chat.ask("say something")
    chat.button("Good answer").click()
    chat.button("Add a comment").click()
    chat.page.get_by_label("Your comment", exact=True).fill("words")
    assert violations(chat, axe) == []
    chat.button("Save").click()
    expect(chat.button("Edit comment")).to_be_visible()
    assert violations(chat, axe) == []
    chat.button("Good answer").click()
    expect(chat.page.get_by_role("alertdialog")).to_be_visible()
    assert violations(chat, axe) == []


def test_models(chat: Chat, axe: str) -> None:
    chat.button(re.compile("^Model:")).click()
    assert violations(chat, axe) == []
    chat.page.get_by_role("menuitem", name="Get more models").click()
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    assert violations(chat, axe) == []


def test_list_account_and_archive(chat: Chat, look: Look, axe: str) -> None:
    if look.get("phone"):
        chat.button("Show the list").click()
        expect(chat.list).to_be_visible()
        assert violations(chat, axe) == []
    chat.button("owner").click()
    assert violations(chat, axe) == []
    chat.page.get_by_role("menuitem", name="Archived").click()
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("Archive")
    assert violations(chat, axe) == []


def test_tokens(chat: Chat, axe: str) -> None:
    chat.open("/tokens")
    chat.page.get_by_label("What is it for?").fill("seen")
    chat.button("Create").click()
    expect(chat.button("Copy token")).to_be_visible()
    expect(chat.button("Revoke seen").first).to_be_visible()
    assert violations(chat, axe) == []
    chat.button("Revoke seen").first.click()
    expect(chat.page.get_by_role("alertdialog")).to_be_visible()
    assert violations(chat, axe) == []


def test_missing_page_and_unsent_message(chat: Chat, axe: str) -> None:
    chat.open("/c/no-such")
    expect(chat.page.get_by_role("heading", level=1)).to_be_visible()
    assert violations(chat, axe) == []
    chat.open()
    chat.page.context.set_offline(True)
    chat.send("unsent")
    expect(chat.page.get_by_text("No connection to the server")).to_be_visible()
    expect(chat.messages.last).to_contain_text("Not sent.")
    assert violations(chat, axe) == []

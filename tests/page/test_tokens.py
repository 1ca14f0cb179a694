"""API tokens: made, shown once, listed and revoked."""

from uuid import uuid4

import httpx
from playwright.sync_api import Locator, expect

from tests.page.chat import Chat


def at_tokens(chat: Chat) -> None:
    chat.button("owner").click()
    chat.page.get_by_role("menuitem", name="API tokens").click()
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("API tokens")


def made(chat: Chat, name: str) -> str:
    """Make a token; its secret."""
    chat.page.get_by_label("What is it for?").fill(name)
    chat.button("Create").click()
    secret = chat.page.get_by_role("region", name=f"Your new token: {name}")
    expect(secret).to_contain_text("It is not shown again.")
    return secret.locator("code").inner_text()


def row(chat: Chat, name: str) -> Locator:
    return chat.page.get_by_role("listitem").filter(has_text=name)


def status(chat: Chat, secret: str) -> int:
    """What the server answers to a program with this token."""
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.get(f"{chat.url}/api/models", headers=headers).status_code


def test_token_is_shown_once_and_lets_a_program_in(chat: Chat) -> None:
    at_tokens(chat)
    name = f"laptop {uuid4()}"
    secret = made(chat, name)
    chat.button("Copy token").click()
    expect(chat.button("Copied")).to_be_visible()
    assert chat.page.evaluate("navigator.clipboard.readText()") == secret
    expect(row(chat, name)).to_contain_text("never used")
    assert status(chat, secret) == 200
    chat.button("Done").click()
    expect(chat.page.get_by_label("What is it for?")).to_be_focused()
    expect(chat.page.get_by_text(secret)).to_have_count(0)
    chat.page.reload()
    expect(row(chat, name)).to_be_visible()
    assert secret not in chat.page.content()


def test_revoked_token_opens_nothing(chat: Chat) -> None:
    at_tokens(chat)
    name = f"lost {uuid4()}"
    secret = made(chat, name)
    chat.button(f"Revoke {name}").click()
    question = chat.page.get_by_role("alertdialog")
    question.get_by_role("button", name="Cancel").click()
    expect(chat.button(f"Revoke {name}")).to_be_focused()
    assert status(chat, secret) == 200
    chat.button(f"Revoke {name}").click()
    question.get_by_role("button", name="Revoke").click()
    expect(row(chat, name)).to_have_count(0)
    expect(chat.page.get_by_role("heading", name="Tokens in use")).to_be_focused()
    assert status(chat, secret) == 401


def test_token_is_made_and_revoked_by_keyboard(chat: Chat) -> None:
    chat.open("/tokens")
    name = f"keys {uuid4()}"
    field = chat.page.get_by_label("What is it for?")
    field.fill(name)
    field.press("Enter")
    expect(chat.page.get_by_role("heading", name=f"Your new token: {name}")).to_be_focused()
    chat.page.keyboard.press("Tab")
    expect(chat.button("Copy token")).to_be_focused()
    chat.button(f"Revoke {name}").press("Enter")
    chat.page.get_by_role("alertdialog").get_by_role("button", name="Revoke").press("Enter")
    expect(row(chat, name)).to_have_count(0)


def test_nameless_token_is_not_made(chat: Chat) -> None:
    chat.open("/tokens")
    chat.page.get_by_label("What is it for?").fill("   ")
    expect(chat.button("Create")).to_be_disabled()


def test_last_use_is_told(chat: Chat) -> None:
    """(The server writes it down a while after.)"""
    created, used = "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"
    token = {"id": "1", "name": "old friend", "created_at": created, "last_used_at": used}
    chat.page.route("**/api/tokens", lambda route: route.fulfill(json={"items": [token]}))
    chat.open("/tokens")
    expect(row(chat, "old friend")).to_contain_text("Created 1 Mar 2026")
    expect(row(chat, "old friend")).to_contain_text("last used 2 Mar 2026")


def test_account_without_tokens_is_told_so(chat: Chat) -> None:
    chat.page.route("**/api/tokens", lambda route: route.fulfill(json={"items": []}))
    chat.open("/tokens")
    expect(chat.page.get_by_text("None: no program can use your account.")).to_be_visible()


def test_what_failed_is_told_and_can_be_tried_again(chat: Chat) -> None:
    refusal = {"code": "store_unavailable", "detail": "busy"}
    chat.page.route("**/api/tokens", lambda route: route.fulfill(status=503, json=refusal))
    chat.open("/tokens")
    failed = chat.page.get_by_text("The tokens could not be loaded.")
    expect(failed).to_be_visible()
    chat.page.unroute("**/api/tokens")
    chat.button("Try again").click()
    expect(failed).to_have_count(0)


def test_token_that_was_not_made_keeps_its_name(chat: Chat) -> None:
    chat.open("/tokens")
    chat.page.route("**/api/tokens", lambda route: route.abort())
    field = chat.page.get_by_label("What is it for?")
    field.fill("kept name")
    chat.button("Create").click()
    expect(chat.page.get_by_text("No token was shown to you.")).to_be_visible()
    expect(field).to_have_value("kept name")

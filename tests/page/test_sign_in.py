"""Signing in by a link, and out."""

from uuid import uuid4

from playwright.sync_api import Browser, expect

from tests.e2e.server import Server
from tests.page.browser import new_context
from tests.page.chat import Chat


def test_link_signs_in_and_leaves_no_trace_in_the_address(browser: Browser, server: Server) -> None:
    secret = server.fresh_secret()
    with new_context(browser) as context:
        chat = Chat(context.new_page(), server.url)
        chat.sign_in(f"{server.url}/signin#{secret}")
        assert chat.path == "/"
        chat.page.go_back()
        assert secret not in chat.page.url
        chat.open()
        expect(chat.composer).to_be_visible()
        assert chat.complaints == []


def test_used_link_says_so_and_how_to_get_another(browser: Browser, server: Server) -> None:
    link = f"{server.url}/signin#{server.fresh_secret()}"
    for heading in ("What shall we talk about?", "This link no longer works"):
        with new_context(browser) as context:
            chat = Chat(context.new_page(), server.url)
            chat.page.goto(link)
            expect(chat.page.get_by_role("heading", level=1)).to_have_text(heading)


def test_used_link_does_no_harm_to_who_is_signed_in(chat: Chat, server: Server) -> None:
    chat.open(f"/signin#{server.fresh_secret()}")
    expect(chat.composer).to_be_visible()
    chat.page.goto("about:blank")
    chat.open("/signin#no-such-secret")
    expect(chat.composer).to_be_visible()


def test_visitor_is_told_how_to_sign_in(browser: Browser, server: Server) -> None:
    with new_context(browser) as context:
        chat = Chat(context.new_page(), server.url)
        chat.open("/c/whatever")
        expect(chat.page.get_by_role("heading", level=1)).to_have_text("Sign in with a link")
        expect(chat.page.get_by_text("tertulia link", exact=True)).to_be_visible()
        expect(chat.composer).to_have_count(0)


def test_signing_out_leaves_no_words_behind(browser: Browser, server: Server) -> None:
    with new_context(browser) as context:
        chat = Chat(context.new_page(), server.url)
        chat.sign_in(f"{server.url}/signin#{server.fresh_secret()}")
        chat.composer.fill("half a thought")
        chat.button("owner").click()
        chat.page.get_by_role("menuitem", name="Sign out").click()
        heading = chat.page.get_by_role("heading", level=1)
        expect(heading).to_have_text("Sign in with a link")
        assert "half a thought" not in chat.page.evaluate("JSON.stringify({...localStorage})")
        chat.page.reload()
        expect(heading).to_have_text("Sign in with a link")


def test_ended_session_is_told_and_keeps_what_was_sent(chat: Chat, server: Server) -> None:
    words = f"not lost {uuid4()}"
    chat.page.context.clear_cookies()
    chat.send(words)
    heading = chat.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("You have been signed out")
    chat.open(f"/signin#{server.fresh_secret()}")
    expect(chat.list.get_by_role("link", name=words)).to_be_visible()


def test_server_that_is_busy_does_not_waste_the_link(browser: Browser, server: Server) -> None:
    with new_context(browser) as context:
        chat = Chat(context.new_page(), server.url)
        busy = {"code": "rate_limited", "detail": "Too many requests."}
        chat.page.route("**/api/session", lambda route: route.fulfill(status=429, json=busy))
        chat.open(f"/signin#{server.fresh_secret()}")
        heading = chat.page.get_by_role("heading", level=1)
        expect(heading).to_have_text("Tertulia does not answer")
        chat.page.unroute("**/api/session")
        chat.button("Try again").click()
        expect(chat.composer).to_be_visible()

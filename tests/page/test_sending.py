"""Nothing that was typed is lost, and nothing is sent twice."""

from uuid import uuid4

import pytest
from playwright.sync_api import Route, expect

from tests.page.chat import Chat
from tests.page.people import Person


def test_message_sent_while_offline_goes_out_once_when_back(chat: Chat, person: Person) -> None:
    chat.ask("before")
    chat.page.context.set_offline(True)
    chat.send("while offline")
    message = chat.messages.last
    expect(message).to_contain_text("Not sent.")
    expect(chat.page.get_by_text("No connection to the server")).to_be_visible()
    message.get_by_role("button", name="Send again").click()
    expect(message).to_contain_text("Not sent.")
    chat.page.context.set_offline(False)
    expect(chat.messages).to_have_count(4)
    chat.expect_status(chat.replies.last, "complete")
    assert person.texts(chat.conversation_id) == ["before"] * 2 + ["while offline"] * 2


def test_new_conversation_begun_offline_is_not_lost_by_a_reload(chat: Chat, person: Person) -> None:
    words = f"begun offline {uuid4()}"
    chat.page.route("**/api/conversations", lambda route: route.abort())
    chat.send(words)
    expect(chat.messages.last).to_contain_text("Not sent.")
    chat.page.reload()
    expect(chat.messages.last).to_contain_text("Not sent.")
    expect(chat.messages.last).to_contain_text(words)
    chat.page.unroute("**/api/conversations")
    chat.page.reload()
    chat.expect_status(chat.replies.last, "complete")
    expect(chat.messages).to_have_count(2)
    assert person.texts(chat.conversation_id) == [words, words]


def test_message_whose_answer_was_lost_is_not_sent_twice(chat: Chat, person: Person) -> None:
    chat.ask("before")
    lost: list[str] = []

    def lose(route: Route) -> None:
        """The server gets it, the page never hears of that, nor by the feed."""
        lost.append(route.fetch().text())
        route.abort()

    chat.page.route_web_socket("**/api/feed*", lambda _: None)
    chat.page.reload()
    chat.page.route("**/turns", lose)
    chat.send("lost and found")
    expect(chat.messages.last).to_contain_text("Not sent.")
    assert lost
    chat.page.unroute("**/turns")
    chat.expect_status(chat.replies.last, "complete")
    expect(chat.messages).to_have_count(4)
    assert person.texts(chat.conversation_id) == ["before"] * 2 + ["lost and found"] * 2


def test_message_that_the_feed_brings_back_was_sent(chat: Chat, person: Person) -> None:
    chat.ask("before")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    chat.page.route("**/turns", lose)
    chat.send("it arrived")
    chat.expect_status(chat.replies.nth(1), "complete")
    expect(chat.messages).to_have_count(4)
    expect(chat.page.get_by_text("Not sent.")).to_have_count(0)
    assert person.texts(chat.conversation_id) == ["before"] * 2 + ["it arrived"] * 2


def test_refused_message_says_why_and_can_be_taken_back(chat: Chat) -> None:
    chat.ask("before")
    refusal = {"code": "too_large", "detail": "The message is too large."}
    chat.page.route("**/turns", lambda route: route.fulfill(status=413, json=refusal))
    chat.send("too much")
    expect(chat.messages.last).to_contain_text("This is too large to send.")
    chat.button("Discard").click()
    expect(chat.messages).to_have_count(2)
    assert chat.page.evaluate("navigator.clipboard.readText()") == "too much"


def test_conversation_that_could_not_be_loaded_is_there_once_back(chat: Chat) -> None:
    chat.ask("before")
    path = chat.path
    chat.page.route("**/messages?*", lambda route: route.abort())
    chat.open(path)
    expect(chat.page.get_by_text("The conversation could not be loaded.")).to_be_visible()
    chat.page.unroute("**/messages?*")
    chat.page.context.set_offline(True)
    expect(chat.page.get_by_text("No connection to the server")).to_be_visible()
    chat.page.context.set_offline(False)
    expect(chat.messages).to_have_count(2)


def test_what_is_sent_too_early_waits_until_it_is_known_what_it_follows(
    chat: Chat, person: Person
) -> None:
    chat.ask("before")
    held: list[Route] = []
    chat.page.route("**/messages?*", lambda route: held.append(route))  # noqa: PLW0108  a builtin takes no attributes
    with chat.page.expect_request("**/messages?*"):
        chat.page.reload()
    chat.composer.fill("too early")
    chat.composer.press("Control+Enter")
    expect(chat.composer).to_have_value("too early")
    expect(chat.button("Send")).to_be_disabled()
    held[0].continue_()
    expect(chat.messages).to_have_count(4)
    expect(chat.composer).to_have_value("")
    chat.expect_status(chat.replies.last, "complete")
    assert person.texts(chat.conversation_id) == ["before"] * 2 + ["too early"] * 2


def test_what_waits_is_not_sent_once_it_is_written_on(chat: Chat) -> None:
    chat.ask("before")
    held: list[Route] = []
    chat.page.route("**/messages?*", lambda route: held.append(route))  # noqa: PLW0108  a builtin takes no attributes
    with chat.page.expect_request("**/messages?*"):
        chat.page.reload()
    chat.composer.fill("half")
    chat.composer.press("Control+Enter")
    chat.composer.press_sequentially(" a sentence")
    held[0].continue_()
    expect(chat.messages).to_have_count(2)
    expect(chat.composer).to_have_value("half a sentence")
    expect(chat.button("Send")).to_be_enabled()


@pytest.mark.parametrize("text", ["", "   ", "\n\n"])
def test_empty_message_is_not_sent(chat: Chat, text: str) -> None:
    chat.composer.fill(text)
    expect(chat.button("Send")).to_be_disabled()
    chat.composer.press("Enter")
    assert chat.path == "/"


def test_failed_change_is_told_and_undone(chat: Chat) -> None:
    chat.ask("to be kept")
    refusal = {"code": "store_unavailable", "detail": "busy"}
    chat.page.route("**/feedback", lambda route: route.fulfill(status=503, json=refusal))
    good = chat.button("Good answer")
    good.click()
    expect(chat.page.get_by_text("The rating was not saved.")).to_be_visible()
    expect(good).to_have_attribute("aria-pressed", "false")

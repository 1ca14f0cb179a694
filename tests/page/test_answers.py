"""Answers while they are written: their streams, their ends and their versions."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from tests.e2e.echo_text import echoed
from tests.e2e.server import Server
from tests.page.browser import new_context
from tests.page.chat import Chat
from tests.page.people import Person

WORDS = "naïve 日本語 👩‍👩‍👧 *no end"
SLOW = "echo/60/40"
ENDLESS = "echo/5000/40"


@pytest.fixture
def slow(chat: Chat, person: Person) -> Chat:
    """At a conversation whose answers take 2.4 s."""
    chat.open(f"/c/{person.begin(model=SLOW)}")
    return chat


@pytest.fixture
def endless(chat: Chat, person: Person) -> Chat:
    """At a conversation whose answers take minutes."""
    chat.open(f"/c/{person.begin(model=ENDLESS)}")
    return chat


def begun(chat: Chat, text: str) -> Locator:
    """Send, and wait for the first words of the answer, which is returned."""
    count = chat.replies.count()
    chat.send(text)
    reply = chat.replies.nth(count)
    expect(reply).to_contain_text(text.split(maxsplit=1)[0])
    return reply


def test_answer_grows_while_it_is_written(slow: Chat) -> None:
    reply = begun(slow, WORDS)
    assert reply.get_attribute("data-status") in {"queued", "streaming"}
    slow.expect_status(reply, "complete")
    slow.expect_words(reply, echoed(WORDS, 60))


def test_reload_in_mid_answer_misses_nothing(slow: Chat, person: Person) -> None:
    begun(slow, WORDS)
    for _ in range(2):
        slow.page.reload()
        expect(slow.replies.last).to_contain_text("naïve")
        expect(slow.replies.last).to_have_attribute("data-status", "streaming")
    slow.expect_status(slow.replies.last, "complete")
    slow.expect_words(slow.replies.last, echoed(WORDS, 60))
    assert person.texts(slow.conversation_id) == [WORDS, echoed(WORDS, 60)]


def test_stream_that_breaks_goes_on_where_it_was(slow: Chat) -> None:
    asked: list[str] = []

    def cut(route: Route) -> None:
        """Every connection brings a little and breaks off, but the fourth."""
        asked.append(route.request.url)
        if len(asked) > 3:
            return route.continue_()
        answer = route.fetch(timeout=20_000)
        body = answer.body()
        return route.fulfill(
            response=answer, body=body[: body.index(b"\n\n", 300 * len(asked)) + 5]
        )

    slow.page.route("**/stream*", cut)
    slow.send(WORDS)
    slow.expect_status(slow.replies.last, "complete")
    slow.expect_words(slow.replies.last, echoed(WORDS, 60))
    places = [re.search(r"after=1-(\d+)", url) for url in asked[1:]]
    offsets = [int(place[1]) for place in places if place]
    assert offsets == sorted(set(offsets))


def test_place_in_the_line_is_told(slow: Chat) -> None:
    waiting = 'event: waiting\ndata: {"ahead": 2}\n\n'
    headers = {"Content-Type": "text/event-stream"}
    slow.page.route("**/stream*", lambda route: route.fulfill(body=waiting, headers=headers))
    slow.send("is anybody there")
    expect(slow.replies.last).to_contain_text("Waiting: 2 ahead of you")
    slow.page.unroute("**/stream*")
    slow.expect_status(slow.replies.last, "complete")


def test_hidden_tab_reads_no_stream_and_misses_nothing(slow: Chat) -> None:
    asked: list[str] = []
    slow.page.on("request", lambda request: asked.append(request.url))
    reply = begun(slow, WORDS)
    slow.set_hidden(hidden=True)
    asked.clear()
    slow.set_hidden(hidden=False)
    slow.expect_status(reply, "complete")
    slow.expect_words(reply, echoed(WORDS, 60))
    assert [url for url in asked if re.search(r"/stream\?after=1-\d+$", url)]


def test_what_the_model_was_not_shown_is_told(chat: Chat, person: Person) -> None:
    conversation = person.begin(title="too much for one window")
    for letter in "abcd":
        person.say(conversation, f"{letter} " * 1_500)
    chat.open(f"/c/{conversation}")
    chat.send("do you remember?")
    chat.expect_status(chat.replies.last, "complete")
    expect(chat.replies.last).to_contain_text("earlier messages were left out")


def test_stopped_answer_is_marked_keeps_its_words_and_goes_on(endless: Chat) -> None:
    reply = begun(endless, "one two three")
    endless.button("Stop the answer").click()
    endless.expect_status(reply, "cancelled")
    expect(reply).to_contain_text("You stopped this answer.")
    kept = reply.locator(".prose").inner_text()
    assert echoed("one two three", 5000).startswith(kept)
    endless.page.reload()
    expect(reply.locator(".prose")).to_have_text(kept)
    reply.get_by_role("button", name="Continue").click()
    endless.expect_status(reply, "streaming")
    expect(reply).to_contain_text(f"{kept} ")
    endless.composer.press("Escape")
    endless.expect_status(reply, "cancelled")


def test_nothing_is_sent_while_an_answer_is_written(endless: Chat, person: Person) -> None:
    begun(endless, "first")
    endless.composer.fill("second")
    endless.composer.press("Enter")
    expect(endless.composer).to_have_value("second")
    assert len(person.texts(endless.conversation_id)) == 2
    endless.button("Stop the answer").click()
    expect(endless.button("Send")).to_be_enabled()


def test_answer_again_makes_a_version_to_switch_between(chat: Chat, person: Person) -> None:
    first = chat.ask("same words")
    first.get_by_role("button", name="Answer again").click()
    second = chat.replies.last
    expect(second).to_contain_text("2/2")
    chat.expect_status(second, "complete")
    name = second.get_attribute("data-message")
    second.get_by_role("button", name="Previous version").click()
    expect(chat.replies).to_have_count(1)
    expect(chat.replies).to_contain_text("1/2")
    assert chat.replies.get_attribute("data-message") != name
    chat.page.reload()
    expect(chat.replies).to_contain_text("1/2")
    chat.button("Next version").click()
    expect(chat.replies).to_have_attribute("data-message", name or "")
    assert person.texts(chat.conversation_id) == ["same words"] * 3


def test_edited_message_makes_a_branch_and_keeps_the_old_one(chat: Chat) -> None:
    chat.ask("old question")
    chat.ask("follow-up")
    chat.messages.first.hover()
    chat.messages.first.get_by_role("button", name="Edit message").click()
    editor = chat.page.get_by_label("Edit your message")
    expect(editor).to_be_focused()
    editor.fill("new question")
    editor.press("Enter")
    expect(chat.messages).to_have_count(2)
    chat.expect_status(chat.replies.last, "complete")
    chat.expect_words(chat.replies.last, "new question")
    expect(chat.messages.first).to_contain_text("2/2")
    chat.messages.first.get_by_role("button", name="Previous version").click()
    expect(chat.messages).to_have_count(4)
    chat.expect_words(chat.replies.last, "follow-up")


def test_second_tab_is_in_step(slow: Chat) -> None:
    slow.ask("the beginning")
    other = slow.new_tab()
    expect(other.messages).to_have_count(2)
    begun(slow, WORDS)
    expect(other.messages).to_have_count(4)
    expect(other.replies.last).to_contain_text("naïve")
    expect(other.replies.last).to_have_attribute("data-status", "streaming")
    for chat in (slow, other):
        chat.expect_status(chat.replies.last, "complete")
        chat.expect_words(chat.replies.last, echoed(WORDS, 60))
    other.replies.last.hover()
    other.replies.last.get_by_role("button", name="Good answer").click()
    good = slow.replies.last.get_by_role("button", name="Good answer")
    expect(good).to_have_attribute("aria-pressed", "true")


def test_there_may_be_more_tabs_than_a_browser_has_connections(chat: Chat) -> None:
    tabs = [chat.new_tab() for _ in range(7)]
    tabs[-1].ask("does it still answer?")
    tabs[0].open(tabs[-1].path)
    expect(tabs[0].messages).to_have_count(2)


def test_second_tab_sees_conversations_come_change_and_go(chat: Chat, person: Person) -> None:
    title = f"From elsewhere {uuid4()}"
    conversation = person.begin(title=title)
    row = chat.list.get_by_role("link", name=title)
    row.click()
    person.say(conversation, "hello from elsewhere")
    expect(chat.messages).to_have_count(2)
    person.change(conversation, title=f"{title}, renamed")
    heading = chat.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"{title}, renamed")
    person.erase(conversation)
    expect(heading).to_have_text("This conversation is not here")
    expect(row).to_have_count(0)


def test_server_that_dies_in_mid_answer_is_waited_for(browser: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path / "home", model=ENDLESS)
    with server, new_context(browser) as context:
        chat = Chat(context.new_page(), server.url)
        chat.sign_in(f"{server.url}/signin#{server.fresh_secret()}")
        reply = begun(chat, "one two three")
        chat.composer.fill("typed meanwhile")
        server.kill()
        expect(chat.page.get_by_text("No connection to the server")).to_be_visible()
        server.address = server.url.removeprefix("http://")
        server.start()
        chat.expect_status(reply, "interrupted")
        expect(chat.page.get_by_text("No connection to the server")).to_have_count(0)
        expect(reply).to_contain_text("The answer was cut off before its end.")
        expect(chat.composer).to_have_value("typed meanwhile")
        reply.get_by_role("button", name="Continue").click()
        chat.expect_status(reply, "streaming")
        assert chat.complaints == []

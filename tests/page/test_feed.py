"""What happens elsewhere shows, also where sockets are blocked on the way."""

from uuid import uuid4

import pytest
from playwright.sync_api import Request, expect

from tests.page.chat import Chat
from tests.page.people import Person

BLOCKED = """
    window.WebSocket = class extends EventTarget {
        constructor() { super(); setTimeout(() => this.onclose?.(), 0); }
        close() {}
    };
"""
"""As behind a proxy that lets no socket through."""


def is_feed(request: Request) -> bool:
    return "/api/feed?after=" in request.url


@pytest.fixture
def blocked(chat: Chat) -> Chat:
    """At a new conversation; sockets do not open, and the feed comes by a stream."""
    chat.page.add_init_script(BLOCKED)
    with chat.page.expect_response(lambda answer: is_feed(answer.request)):
        chat.page.reload()
    return chat


def test_changes_come_by_a_stream_where_sockets_are_blocked(blocked: Chat, person: Person) -> None:
    title = f"From elsewhere {uuid4()}"
    conversation = person.begin(title=title)
    blocked.list.get_by_role("link", name=title).click()
    person.say(conversation, "hello by the stream")
    expect(blocked.messages).to_have_count(2)
    expect(blocked.page.get_by_text("No connection to the server")).to_have_count(0)


def test_hidden_tab_lets_go_of_its_stream_and_misses_nothing(blocked: Chat, person: Person) -> None:
    with blocked.page.expect_event("requestfailed", is_feed):
        blocked.set_hidden(hidden=True)
    title = f"While hidden {uuid4()}"
    person.begin(title=title)
    assert blocked.list.get_by_role("link", name=title).count() == 0
    blocked.set_hidden(hidden=False)
    expect(blocked.list.get_by_role("link", name=title)).to_be_visible()


def test_socket_is_used_where_it_opens(chat: Chat, person: Person) -> None:
    streams: list[str] = []
    chat.page.on("request", lambda request: streams.append(request.url))
    with chat.page.expect_websocket(lambda socket: "/api/feed?after=" in socket.url):
        chat.page.reload()
    title = f"By the socket {uuid4()}"
    person.begin(title=title)
    expect(chat.list.get_by_role("link", name=title)).to_be_visible()
    assert not [url for url in streams if "/api/feed" in url]

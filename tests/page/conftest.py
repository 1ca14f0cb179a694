"""A server, a browser, and a tab in it that is signed in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from tests.e2e.server import Server
from tests.page.browser import Look, find_browser, launch, new_context
from tests.page.chat import Chat
from tests.page.people import Person

expect.set_options(timeout=20_000)  # a page may be slow while other tests have the processors

PAGE = Path(__file__).parents[2] / "src/tertulia/page/index.html"


@pytest.fixture(scope="module")
def browser(requires: Callable[[object, str], None]) -> Iterator[Browser]:
    """Closed before the next file: while Playwright runs, asyncio takes its loop for running in
    this thread, and no test with a loop of its own could start."""
    path = find_browser()
    requires(path, "a Chromium browser")
    requires(PAGE.is_file(), "the built page (make page)")
    assert path is not None
    with sync_playwright() as playwright:
        opened = launch(playwright, path)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Answers with the words of the question. It has what earlier tests left in it."""
    with Server(tmp_path_factory.mktemp("page") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def sessions() -> list[StorageState]:
    """What browsers hold that have signed in."""
    return []


@pytest.fixture
def session(browser: Browser, server: Server, sessions: list[StorageState]) -> StorageState:
    """One of them; the first test makes it."""
    if not sessions:
        with new_context(browser) as context:
            chat = Chat(context.new_page(), server.url)
            chat.sign_in(f"{server.url}/signin#{server.fresh_secret()}")
            sessions.append(context.storage_state())
    return sessions[0]


@pytest.fixture(scope="session")
def person(server: Server) -> Iterator[Person]:
    """Who makes conversations without the page."""
    with server.token_client() as client:
        yield Person(client)


@pytest.fixture
def look() -> Look:
    """How the browser is; tests override it by parameters."""
    return {}


@pytest.fixture
def chat(browser: Browser, server: Server, session: StorageState, look: Look) -> Iterator[Chat]:
    """Signed in, at a new conversation; nothing may have been complained about at the end."""
    context = new_context(browser, session, **look)
    tab = Chat(context.new_page(), server.url)
    tab.open()
    expect(tab.composer).to_be_visible()
    yield tab
    context.close()
    assert tab.complaints == []

"""The page as a person uses it."""

import re
from typing import Final

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect

EXPECTED: Final = ("Failed to load resource", "WebSocket connection to")
"""What a browser says of every answer but 200, and of a server that is away."""


class Chat:
    """A tab. `complaints` collects what must never be: uncaught errors, warnings of the
    libraries, and everything that the content security policy forbade."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)

    def sign_in(self, link: str) -> None:
        self.page.goto(link)
        expect(self.composer).to_be_visible()

    def open(self, path: str = "/") -> None:
        self.page.goto(f"{self.url}{path}")

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.url)

    @property
    def conversation_id(self) -> str:
        """Of the shown conversation."""
        expect(self.page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}$"))
        return self.path.removeprefix("/c/")

    @property
    def composer(self) -> Locator:
        return self.page.get_by_label("Your message", exact=True)

    @property
    def messages(self) -> Locator:
        """Of the shown branch, also those on their way."""
        return self.page.locator("article")

    @property
    def replies(self) -> Locator:
        return self.page.locator("article[data-status]")

    @property
    def list(self) -> Locator:
        return self.page.get_by_role("navigation", name="Conversations")

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    def send(self, text: str) -> None:
        self.composer.fill(text)
        expect(self.button("Send")).to_be_enabled()
        self.composer.press("Control+Enter")

    def ask(self, text: str) -> Locator:
        """Send, and wait for the whole answer, which is returned."""
        count = self.replies.count()
        self.send(text)
        reply = self.replies.nth(count)
        self.expect_status(reply, "complete")
        return reply

    def expect_status(self, reply: Locator, status: str) -> None:
        expect(reply).to_have_attribute("data-status", status)

    def expect_words(self, reply: Locator, text: str) -> None:
        """A reply says exactly this, in the one paragraph it has."""
        expect(reply.locator(".prose")).to_have_text(text)

    def set_hidden(self, *, hidden: bool) -> None:
        """As when another tab is brought to the front, and back."""
        get = f"{{ configurable: true, get: () => {str(hidden).lower()} }}"
        self.page.evaluate(
            f"Object.defineProperty(document, 'hidden', {get});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )

    def new_tab(self) -> "Chat":
        """Of the same browser, at the same place."""
        other = Chat(self.page.context.new_page(), self.url)
        other.complaints = self.complaints
        other.open(self.path)
        return other

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            self.complaints.append(message.text)

    def _on_error(self, error: Error) -> None:
        self.complaints.append(str(error))

"""Everything by keyboard."""

import re

from playwright.sync_api import Route, expect

from tests.page.chat import Chat
from tests.page.people import Person
from tests.servers.process import wait_until


def test_whole_conversation_is_held_without_a_mouse(chat: Chat, person: Person) -> None:
    conversation = person.begin(title="by keyboard", model="echo/4000/40")
    chat.open(f"/c/{conversation}")
    keys = chat.page.keyboard
    expect(chat.composer).to_be_focused()
    keys.type("first line")
    keys.press("Shift+Enter")
    keys.type("second line")
    expect(chat.composer).to_have_value("first line\nsecond line")
    keys.press("Enter")
    expect(chat.replies.last).to_contain_text("first line")
    keys.press("Escape")
    chat.expect_status(chat.replies.last, "cancelled")
    expect(chat.composer).to_be_focused()

    keys.press("ArrowUp")
    editor = chat.page.get_by_label("Edit your message")
    expect(editor).to_be_focused()
    keys.press("Escape")
    expect(editor).to_have_count(0)
    expect(chat.composer).to_be_focused()

    keys.press("Control+Shift+O")
    expect(chat.page).to_have_url(f"{chat.url}/")
    expect(chat.composer).to_be_focused()


def test_skip_link_comes_first_and_leads_to_the_conversation(chat: Chat) -> None:
    chat.page.get_by_role("link", name="Tertulia, start").focus()
    chat.page.keyboard.press("Shift+Tab")
    skip = chat.page.get_by_role("link", name="Skip to the conversation")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("main")).to_be_focused()


def test_shortcuts_are_listed_and_do_not_interfere_with_typing(chat: Chat) -> None:
    help_dialog = chat.page.get_by_role("dialog", name="Keyboard shortcuts")
    chat.page.keyboard.type("what?")
    expect(chat.composer).to_have_value("what?")
    chat.page.get_by_role("link", name="Tertulia, start").focus()
    chat.page.keyboard.press("?")
    expect(help_dialog).to_be_visible()
    chat.page.keyboard.press("Escape")
    expect(help_dialog).to_have_count(0)
    chat.page.keyboard.press("/")
    expect(chat.composer).to_be_focused()


def test_list_is_hidden_and_shown(chat: Chat) -> None:
    chat.page.keyboard.press("Control+b")
    expect(chat.list).to_have_count(0)
    chat.page.keyboard.press("Control+b")
    expect(chat.list).to_be_visible()


def test_menu_and_dialog_give_the_focus_back(chat: Chat) -> None:
    chat.ask("focus, please")
    options = chat.page.get_by_role("banner").get_by_role("button", name=re.compile("Options"))
    options.focus()
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(options).to_be_focused()
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_label("Title")).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(chat.page.get_by_role("dialog")).to_have_count(0)
    expect(options).to_be_focused()


def test_answer_is_announced(chat: Chat) -> None:
    chat.ask("say it aloud")
    spoken = chat.page.locator("[aria-live=polite]").filter(has_text="Answer: say it aloud")
    expect(spoken).to_have_count(1)


def test_answer_that_was_never_seen_to_begin_is_announced(chat: Chat, person: Person) -> None:
    chat.ask("before")
    conversation = chat.conversation_id

    def lose(route: Route) -> None:
        """The page learns of it once it is whole."""
        route.fetch()
        assert wait_until(lambda: person.statuses(conversation)[-1] == "complete", 30)
        route.abort()

    chat.page.route_web_socket("**/api/feed*", lambda _: None)
    chat.page.reload()
    expect(chat.replies).to_have_count(1)
    announced = chat.page.locator("[aria-live=polite]").filter(has_text="Answer: ")
    expect(announced).to_have_count(0)
    chat.page.route("**/turns", lose, times=1)
    chat.send("say it aloud")
    expect(announced.filter(has_text="say it aloud")).to_have_count(1)

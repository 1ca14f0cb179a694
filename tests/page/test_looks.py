"""Narrow screens, themes and motion."""

import pytest
from playwright.sync_api import Locator, expect

from tests.page.browser import Look
from tests.page.chat import Chat
from tests.page.people import Person
from tests.page.test_markdown import RICH

PHONE: Look = {"phone": True}
DARK: Look = {"dark": True}
WIDE_WORD = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
MOVING = (
    "document.getAnimations().filter(one => one instanceof CSSAnimation && "
    "one.playState === 'running').map(one => one.animationName)"
)


def brightness(place: Locator) -> int:
    """Of its background, from 0 to 255."""
    return int(place.evaluate("it => +getComputedStyle(it).backgroundColor.match(/\\d+/)[0]"))


def body(chat: Chat) -> Locator:
    return chat.page.locator("body")


@pytest.mark.parametrize("look", [PHONE])
def test_list_is_a_drawer_on_a_phone(chat: Chat, person: Person) -> None:
    person.begin(title="on the phone")
    expect(chat.list).to_have_count(0)
    chat.button("Show the list").click()
    expect(chat.list).to_be_in_viewport()
    chat.list.get_by_role("link", name="on the phone").first.click()
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("on the phone")
    expect(chat.list).to_have_count(0)


@pytest.mark.parametrize("look", [PHONE])
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_is_wider_than_a_phone(chat: Chat, width: int) -> None:
    chat.page.set_viewport_size({"width": width, "height": 700})
    chat.ask(f"{RICH}\n\n{WIDE_WORD}\n\n```\n{WIDE_WORD}\n```")
    expect(chat.replies.last.locator(".katex-display")).to_be_visible()
    wide = "document.documentElement.scrollWidth > innerWidth"
    inside = "document.querySelector('main [data-scrolls]')"
    assert not chat.page.evaluate(wide)
    assert not chat.page.evaluate(f"{inside}.scrollWidth > {inside}.clientWidth")


@pytest.mark.parametrize("look", [PHONE])
def test_enter_is_a_new_line_where_there_is_no_shift_key(chat: Chat) -> None:
    chat.composer.fill("one")
    chat.composer.press("Enter")
    expect(chat.composer).to_have_value("one\n")
    chat.button("Send").tap()
    chat.expect_status(chat.replies.last, "complete")


@pytest.mark.parametrize("look", [{}, DARK])
def test_page_is_as_dark_as_the_system_until_a_choice_is_made(chat: Chat, look: Look) -> None:
    dark = look.get("dark", False)
    assert (brightness(body(chat)) < 128) == dark
    chat.button("owner").click()
    chat.page.get_by_role("menuitemradio", name="Light" if dark else "Dark").click()
    assert (brightness(body(chat)) < 128) != dark
    chat.page.reload()
    expect(chat.composer).to_be_visible()
    assert (brightness(body(chat)) < 128) != dark


@pytest.mark.parametrize("look", [DARK])
def test_dark_page_is_dark_before_its_script_has_run(chat: Chat) -> None:
    chat.page.route("**/assets/*.js", lambda route: route.abort())
    chat.page.reload()
    assert brightness(body(chat)) < 128


def test_nothing_moves_for_who_does_not_want_it(chat: Chat, person: Person) -> None:
    chat.page.emulate_media(reduced_motion="reduce")
    chat.open(f"/c/{person.begin(model='echo/4000/40')}")
    chat.send("be still")
    expect(chat.replies.last).to_contain_text("be still")
    assert chat.page.evaluate(MOVING) == []
    chat.page.emulate_media(reduced_motion="no-preference")
    assert "dot" in chat.page.evaluate(MOVING)
    chat.button("Stop the answer").click()

"""The view follows an answer, and lets go when its reader does."""

from playwright.sync_api import Locator, expect

from tests.page.chat import Chat
from tests.page.people import Person
from tests.page.test_markdown import RICH

LONG = "\n\n".join(f"{RICH} {number}" for number in range(4))
NEAR_PX = 120
BELOW_AFTER_FRAMES = """async box => {
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    return box.scrollHeight - box.scrollTop - box.clientHeight;
}"""
SHRINK_AND_GROW = """box => {
    const [question, answer] = box.querySelectorAll("article");
    question.style.display = "none";
    box.getBoundingClientRect();
    answer.style.paddingBottom = "3000px";
    box.dispatchEvent(new Event("scroll"));
}"""
"""The browser moves the view up when its content shrinks; nobody has scrolled."""


def begin(chat: Chat, person: Person) -> Locator:
    """An answer under way that is longer than the view, which is returned."""
    chat.open(f"/c/{person.begin(model='echo/5000/20')}")
    chat.send(LONG)
    expect(chat.replies.last.locator(".katex-display")).to_have_count(2)
    return chat.page.locator("main [data-scrolls]")


def test_end_is_followed_while_what_is_above_it_changes_its_height(
    chat: Chat, person: Person
) -> None:
    view = begin(chat, person)
    view.evaluate(SHRINK_AND_GROW)
    assert view.evaluate(BELOW_AFTER_FRAMES) < NEAR_PX
    expect(chat.button("Latest")).to_have_count(0)


def test_who_scrolls_up_is_left_where_she_is_and_led_back(chat: Chat, person: Person) -> None:
    view = begin(chat, person)
    view.hover()
    chat.page.mouse.wheel(0, -400)
    expect(chat.button("Latest")).to_be_visible()
    top = view.evaluate("box => box.scrollTop")
    expect(chat.replies.last.locator(".katex-display")).to_have_count(4)
    assert abs(view.evaluate("box => box.scrollTop") - top) < 2
    chat.button("Latest").click()
    expect(chat.button("Latest")).to_have_count(0)

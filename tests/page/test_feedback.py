"""What a person says of an answer."""

import pytest
from playwright.sync_api import Locator, expect

from tests.page.chat import Chat

COMMENT = "Clear, and to the point.\nThank you."


def pressed(reply: Locator, name: str) -> None:
    expect(reply.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")


def commented(chat: Chat, words: str = COMMENT) -> Locator:
    """Rate an answer well, with a comment; the answer."""
    reply = chat.ask("say something")
    reply.get_by_role("button", name="Good answer").click()
    reply.get_by_role("button", name="Add a comment").click()
    editor = reply.get_by_label("Your comment", exact=True)
    expect(editor).to_be_focused()
    editor.fill(words)
    reply.get_by_role("button", name="Save").click()
    expect(reply).to_contain_text("Clear, and to the point.")
    expect(editor).to_have_count(0)
    return reply


@pytest.mark.parametrize("look", [{}, {"phone": True}], ids=["desktop", "phone"])
def test_comment_is_there_after_a_reload(chat: Chat) -> None:
    reply = commented(chat)
    chat.page.reload()
    pressed(reply, "Good answer")
    expect(reply).to_contain_text("Thank you.")
    expect(reply.get_by_role("button", name="Add a comment")).to_have_count(0)


def test_comment_is_not_asked_for_before_a_rating(chat: Chat) -> None:
    reply = chat.ask("say something")
    expect(reply.get_by_role("button", name="Add a comment")).to_have_count(0)


def test_other_thumb_keeps_the_comment(chat: Chat) -> None:
    reply = commented(chat)
    reply.get_by_role("button", name="Bad answer").click()
    pressed(reply, "Bad answer")
    chat.page.reload()
    pressed(reply, "Bad answer")
    expect(reply).to_contain_text("Thank you.")


def test_comment_is_changed_and_taken_away_by_keyboard(chat: Chat) -> None:
    reply = commented(chat)
    edit = reply.get_by_role("button", name="Edit comment")
    editor = reply.get_by_label("Your comment", exact=True)
    edit.press("Enter")
    expect(editor).to_have_value(COMMENT)
    editor.fill("thrown away")
    editor.press("Escape")
    expect(reply).to_contain_text("Thank you.")
    edit.press("Enter")
    editor.fill("Better words.")
    editor.press("Enter")
    expect(reply).to_contain_text("Better words.")
    expect(editor).to_have_count(0)
    edit.press("Enter")
    editor.fill("")
    editor.press("Enter")
    expect(reply.get_by_role("button", name="Add a comment")).to_be_visible()
    pressed(reply, "Good answer")


def test_rating_without_a_comment_is_withdrawn_at_once(chat: Chat) -> None:
    reply = chat.ask("say something")
    good = reply.get_by_role("button", name="Good answer")
    good.click()
    pressed(reply, "Good answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "false")
    chat.page.reload()
    expect(good).to_have_attribute("aria-pressed", "false")


def test_comment_is_not_withdrawn_unasked(chat: Chat) -> None:
    reply = commented(chat)
    good = reply.get_by_role("button", name="Good answer")
    good.click()
    question = chat.page.get_by_role("alertdialog")
    expect(question).to_contain_text("Your comment is deleted with it.")
    question.get_by_role("button", name="Cancel").click()
    expect(good).to_be_focused()
    pressed(reply, "Good answer")
    good.click()
    question.get_by_role("button", name="Withdraw").click()
    expect(good).to_have_attribute("aria-pressed", "false")
    expect(reply).not_to_contain_text("Thank you.")


def test_comment_that_was_not_saved_is_kept_for_another_try(chat: Chat) -> None:
    reply = chat.ask("say something")
    reply.get_by_role("button", name="Bad answer").click()
    chat.page.route("**/feedback", lambda route: route.abort())
    reply.get_by_role("button", name="Add a comment").click()
    editor = reply.get_by_label("Your comment", exact=True)
    editor.fill("not lost")
    reply.get_by_role("button", name="Save").click()
    expect(chat.page.get_by_text("The rating was not saved.")).to_be_visible()
    expect(editor).to_have_value("not lost")
    chat.page.unroute("**/feedback")
    reply.get_by_role("button", name="Save").click()
    expect(editor).to_have_count(0)
    expect(reply).to_contain_text("not lost")


def test_rating_stays_in_sight_when_the_conversation_goes_on(chat: Chat) -> None:
    reply = commented(chat)
    chat.ask("and then?")
    chat.page.mouse.move(0, 0)
    expect(reply.get_by_role("button", name="Good answer").locator("..")).to_have_css(
        "opacity", "1"
    )

"""Holding conversations, and keeping order among them."""

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.page.chat import Chat
from tests.page.people import Person


def test_question_is_answered_titled_and_still_there_after_a_reload(chat: Chat) -> None:
    question = f"What is a tertulia, {uuid4()}?"
    reply = chat.ask(question)
    chat.expect_words(reply, question)
    expect(chat.list.get_by_role("link", name=question)).to_have_attribute("aria-current", "page")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text(question)
    expect(chat.page).to_have_title(f"{question} · Tertulia")
    chat.page.reload()
    expect(chat.messages).to_have_count(2)
    chat.expect_words(chat.replies.last, question)


def test_conversation_is_renamed_pinned_and_deleted(chat: Chat, person: Person) -> None:
    chat.ask("to be renamed")
    options = chat.page.get_by_role("banner").get_by_role("button", name=re.compile("Options"))
    menu = chat.page.get_by_role("menuitem")

    options.click()
    menu.filter(has_text="Rename").click()
    title = f"Renamed {uuid4()}"
    chat.page.get_by_label("Title").fill(title)
    chat.button("Save").click()
    row = chat.list.get_by_role("listitem").filter(has_text=title)
    expect(row).to_be_visible()

    options.click()
    menu.filter(has_text="Pin").click()
    pinned = chat.list.get_by_role("region", name="Pinned")
    expect(pinned.get_by_role("link", name=title)).to_be_visible()

    row.hover()
    row.get_by_role("button").click()
    menu.filter(has_text="Delete").click()
    question = chat.page.get_by_role("alertdialog")
    question.get_by_role("button", name="Cancel").click()
    expect(row).to_be_visible()
    row.hover()
    row.get_by_role("button").click()
    menu.filter(has_text="Delete").click()
    question.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    expect(chat.page).to_have_url(f"{chat.url}/")
    assert title not in person.titles()


def test_archived_conversation_moves_to_the_archive_and_back(chat: Chat, person: Person) -> None:
    title = f"Put away {uuid4()}"
    person.begin(title=title)
    row = chat.list.get_by_role("listitem").filter(has_text=title)
    row.hover()
    row.get_by_role("button").click()
    chat.page.get_by_role("menuitem", name="Archive").click()
    expect(row).to_have_count(0)

    chat.button("owner").click()
    chat.page.get_by_role("menuitem", name="Archived conversations").click()
    archived = chat.page.get_by_role("main").get_by_role("listitem").filter(has_text=title)
    archived.hover()
    archived.get_by_role("button").click()
    chat.page.get_by_role("menuitem", name="Take out of the archive").click()
    expect(archived).to_have_count(0)
    expect(row).to_be_visible()


@pytest.mark.parametrize("kind", ["JSON", "Markdown"])
def test_export_holds_what_was_said(chat: Chat, kind: str, tmp_path: Path) -> None:
    said = f"for the record {uuid4()}"
    chat.ask(said)
    chat.page.get_by_role("banner").get_by_role("button", name=re.compile("Options")).click()
    with chat.page.expect_download() as downloading:
        chat.page.get_by_role("menuitem", name=f"Export as {kind}").click()
    file = tmp_path / "export"
    downloading.value.save_as(file)
    text = file.read_text("utf-8")
    assert text.count(said) >= 2
    if kind == "JSON":
        assert json.loads(text)


def test_rating_is_kept_and_taken_back(chat: Chat) -> None:
    reply = chat.ask("rate this")
    good = reply.get_by_role("button", name="Good answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    chat.page.reload()
    expect(good).to_have_attribute("aria-pressed", "true")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "false")
    chat.page.reload()
    expect(good).to_have_attribute("aria-pressed", "false")


def test_message_and_answer_are_copied_as_they_were_written(chat: Chat) -> None:
    chat.ask("some **bold** words")
    for place, name in enumerate(("Copy message", "Copy answer")):
        message = chat.messages.nth(place)
        chat.page.evaluate("navigator.clipboard.writeText('')")
        message.hover()
        message.get_by_role("button", name=name).click()
        expect(message.get_by_role("button", name="Copied")).to_be_visible()
        assert chat.page.evaluate("navigator.clipboard.readText()") == "some **bold** words"


def test_each_conversation_keeps_its_draft(chat: Chat, person: Person) -> None:
    first, second = person.begin(title="one"), person.begin(title="two")
    chat.open(f"/c/{first}")
    chat.composer.fill("draft of the first")
    chat.open(f"/c/{second}")
    expect(chat.composer).to_have_value("")
    chat.composer.fill("draft of the second")
    chat.open(f"/c/{first}")
    expect(chat.composer).to_have_value("draft of the first")
    chat.page.reload()
    expect(chat.composer).to_have_value("draft of the first")
    chat.ask("sent instead")
    chat.page.reload()
    expect(chat.composer).to_have_value("")


def test_earlier_messages_come_as_one_scrolls_up(chat: Chat, person: Person) -> None:
    conversation = person.begin(title="long")
    for number in range(60):
        person.say(conversation, f"message {number}")
    chat.open(f"/c/{conversation}")
    chat.expect_words(chat.replies.last, "message 59")
    expect(chat.replies.last).to_be_in_viewport()
    assert chat.messages.count() < 120

    scroll_to_top(chat)
    expect(chat.messages).to_have_count(100)
    scroll_to_top(chat)
    expect(chat.messages).to_have_count(120)
    expect(chat.messages.first).to_contain_text("message 0")


def scroll_to_top(chat: Chat) -> None:
    """Return when earlier messages have come for it."""
    arrived = re.compile(r"/messages\?.*before=")
    with chat.page.expect_response(arrived):
        chat.page.locator("main [data-scrolls]").evaluate("box => { box.scrollTop = 0 }")


def test_place_is_kept_while_earlier_messages_come_in(chat: Chat, person: Person) -> None:
    conversation = person.begin(title="steady")
    for number in range(45):
        person.say(conversation, f"message {number}")
    chat.open(f"/c/{conversation}")
    chat.expect_words(chat.replies.last, "message 44")
    scroll_to_top(chat)
    expect(chat.messages).to_have_count(90)
    expect(chat.page.locator("p", has_text=re.compile("^message 20$")).first).to_be_in_viewport()


def test_list_goes_on_as_one_scrolls_down(chat: Chat, person: Person) -> None:
    mark = str(uuid4())
    oldest = person.begin(title=f"oldest {mark}")
    for number in range(60):
        person.begin(title=f"{number} {mark}")
    chat.page.reload()
    expect(chat.list.get_by_role("link", name=f"59 {mark}")).to_be_visible()
    last = chat.list.locator(f"a[href='/c/{oldest}']")
    box, links = chat.list.locator("[data-scrolls]"), chat.list.get_by_role("link")
    while not last.count():
        count = links.count()
        box.evaluate("box => { box.scrollTop = 1e6 }")
        expect(links.nth(count).or_(last).first).to_be_attached()


def test_model_is_chosen_per_conversation(chat: Chat, person: Person) -> None:
    conversation = person.begin(model="echo/3/0")
    chat.open(f"/c/{conversation}")
    expect(chat.button("Model: echo/3/0")).to_be_visible()
    chat.expect_words(chat.ask("one two"), "one two one")
    chat.button("Model: echo/3/0").click()
    chat.page.get_by_role("menuitemradio", name="echo").click()
    expect(chat.button("Model: echo")).to_be_visible()
    chat.expect_words(chat.ask("one two"), "one two")


def test_address_without_a_conversation_says_so(chat: Chat) -> None:
    chat.open(f"/c/{uuid4()}")
    heading = chat.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("This conversation is not here")
    chat.open("/no/such/page")
    expect(heading).to_have_text("There is nothing at this address")

"""What a model writes is shown, and does nothing."""

from uuid import uuid4

from playwright.sync_api import expect

from tests.page.chat import Chat

RICH = """Some **bold**, *slanted* and `code`; $x^2$ but $5 and $10.

### A heading

```python
def one() -> int:
    return 1
```

| left | right |
|:-----|------:|
| a    |     1 |

$$\\int_0^1 x\\,dx$$

1. one
2. two

A [link](https://example.org/page)."""

HOSTILE = """<script>window.owned = 1</script>

<img src="https://example.org/pixel.png" onerror="window.owned = 2">

<a href="javascript:window.owned=3">click</a> [me](javascript:window.owned=4) \
[or](data:text/html,<script>window.owned=5</script>) ![pixel](https://example.org/pixel.png)

<style>body { display: none }</style> <iframe src="https://example.org"></iframe>

$\\href{javascript:window.owned=6}{x}$ $\\includegraphics{https://example.org/pixel.png}$"""


def test_markdown_is_drawn(chat: Chat) -> None:
    prose = chat.ask(RICH).locator(".prose")
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose.get_by_role("heading", name="A heading")).to_be_visible()
    expect(prose.locator(".hljs-keyword").first).to_have_text("def")
    expect(prose.get_by_role("columnheader")).to_have_text(["left", "right"])
    expect(prose.locator(".katex")).to_have_count(2)
    expect(prose.locator(".katex-display")).to_have_count(1)
    expect(prose).to_contain_text("but $5 and $10.")
    expect(prose.get_by_role("listitem")).to_have_count(2)
    link = prose.get_by_role("link", name="link")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("target", "_blank")


def test_code_is_copied_without_its_colours(chat: Chat) -> None:
    chat.ask(RICH)
    chat.button("Copy code").click()
    expect(chat.button("Copied")).to_be_visible()
    code = "def one() -> int:\n    return 1"
    assert chat.page.evaluate("navigator.clipboard.readText()") == code


def test_hostile_text_runs_nothing_and_reaches_nobody(chat: Chat) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    prose = chat.ask(HOSTILE).locator(".prose")
    expect(prose).to_contain_text("<script>")
    expect(prose.locator("script, img, iframe, style")).to_have_count(0)
    link = prose.get_by_role("link")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "https://example.org/pixel.png")
    chat.page.wait_for_load_state("networkidle")
    assert chat.page.evaluate("window.owned ?? 0") == 0
    assert [url for url in asked if not url.startswith(chat.url)] == []


def test_person_s_own_words_are_shown_as_they_were_written(chat: Chat) -> None:
    chat.ask("**not** bold  <b>here</b>\n# nor a heading")
    expect(chat.messages.first.locator("p").first).to_have_text(
        "**not** bold  <b>here</b>\n# nor a heading", use_inner_text=True
    )


def test_very_long_message_is_folded_and_its_answer_whole(chat: Chat) -> None:
    text = f"{uuid4()} " + "Donaudampfschifffahrtsgesellschaft " * 3_000 + "The end."
    reply = chat.ask(text)
    expect(reply.locator(".prose")).to_contain_text("The end.")
    expect(chat.messages.first).not_to_contain_text("The end.")
    chat.messages.first.get_by_role("button", name="Show all").click()
    expect(chat.messages.first).to_contain_text("The end.")
    chat.composer.fill("it still answers")
    expect(chat.composer).to_have_value("it still answers")

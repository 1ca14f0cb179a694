"""An OpenAPI document as plain HTML."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

Document = Mapping[str, Any]

TITLES: Final = {"openai": "OpenAI's interface", "simple": "The simple interface"}

STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 0.9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
details { border: 1px solid #8886; border-radius: 6px; margin: 0.5rem 0; padding: 0.5rem 0.75rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.5rem; }
tr { border-top: 1px solid #8884; }
h2 { margin-top: 2.5rem; }
"""


def render(document: Document) -> str:
    """One page: every operation by tag, then every shape that they speak of."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<title>{title}: interfaces</title><link rel="icon" href="/favicon.svg">',
            '<link rel="stylesheet" href="/docs/style.css">',
            f"</head><body><main><h1>{title}</h1><p>{_text(info['description'])}</p>",
            '<p>As a document for programs: <a href="/openapi.json">OpenAPI 3.1</a>.</p>',
            *_operations(document),
            "<h2>Shapes</h2>",
            *_schemas(document),
            "</main></body></html>",
        )
    )


def _operations(document: Document) -> Iterator[str]:
    by_tag: dict[str, list[tuple[str, str, Document]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name: str = operation["tags"][0]
            tag = TITLES.get(name, name.capitalize())
            by_tag.setdefault(tag, []).append((method.upper(), path, operation))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, operation in operations:
            yield from _operation(method, path, operation)


def _operation(method: str, path: str, operation: Document) -> Iterator[str]:
    yield f"<details><summary><b>{method}</b> <code>{escape(path)}</code> — "
    yield f"{escape(operation.get('summary', ''))}</summary>"
    if "description" in operation:
        yield f"<p>{_text(operation['description'])}</p>"
    yield f"<p>{_callers(operation['security'])}</p>"
    if operation.get("parameters"):
        yield "<h3>Parameters</h3><table><tbody>"
        for parameter in operation["parameters"]:
            shape = _shape(parameter.get("schema", {}))
            description = _text(parameter.get("description", ""))
            yield f"<tr><td><code>{escape(parameter['name'])}</code> ({parameter['in']})</td>"
            yield f"<td>{shape}</td><td>{description}</td></tr>"
        yield "</tbody></table>"
    if "requestBody" in operation:
        yield f"<h3>Body</h3><p>{_content(operation['requestBody'])}</p>"
    yield "<h3>Answers</h3><table><tbody>"
    for status, answer in operation["responses"].items():
        yield f"<tr><td>{escape(status)}</td><td>{_text(answer.get('description', ''))}</td>"
        yield f"<td>{_content(answer)}</td></tr>"
    yield "</tbody></table></details>"


def _schemas(document: Document) -> Iterator[str]:
    for name, schema in document["components"].get("schemas", {}).items():
        yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        yield f"<p>{_text(schema.get('description', ''))}</p><table><tbody>"
        required = set(schema.get("required", ()))
        for field, kind in schema.get("properties", {}).items():
            note = "" if field in required else " (optional)"
            yield f"<tr><td><code>{escape(field)}</code>{note}</td><td>{_shape(kind)}</td>"
            yield f"<td>{_text(kind.get('description', ''))}</td></tr>"
        yield "</tbody></table></details>"


def _callers(security: list[Document]) -> str:
    if not security:
        return "For everybody."
    return (
        "For who is signed in, and on an open server for everybody."
        if {} in security
        else ("For who is signed in.")
    )


def _text(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _content(holder: Document) -> str:
    return ", ".join(
        f"<code>{escape(media_type)}</code> {_shape(content.get('schema', {}))}"
        for media_type, content in holder.get("content", {}).items()
    )


def _shape(schema: Document) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_shape(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_shape(schema.get('items', {}))}"
    kind = escape(str(schema.get("type", "any")))
    return f"{kind} ({escape(schema['format'])})" if "format" in schema else kind

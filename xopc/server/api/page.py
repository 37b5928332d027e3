"""The reference for people: one page of HTML, made of the OpenAPI document. It needs no script and no other file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, cast

from xopc.contracts.convert import JsonObject
from xopc.contracts.limits import MAX_WHOLE
from xopc.contracts.openapi.operations import JSON
from xopc.server.api.page_style import STYLE

_LANGUAGE = "en"
_CODE = re.compile(r"`([^`]+)`")


def page(document: JsonObject) -> str:
    """The page of a document that `contracts.openapi` made."""
    title, version = escape(document["info"]["title"]), escape(document["info"]["version"])
    groups = {tag["name"]: list(_operations(document, tag["name"])) for tag in document["tags"]}
    return f"""<!doctype html>
<html lang="{_LANGUAGE}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} {version}: the API</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#operations">To the operations</a>
<header>
<h1>{title}</h1>
<p>Version {version} · <a href="openapi.json">OpenAPI document</a> · <a href="health">Health</a></p>
<p>{_prose(document["info"].get("description", ""))}</p>
</header>
<nav aria-label="Operations">
{"".join(f"<h2>{escape(tag)}</h2><ul>{''.join(map(_entry, group))}</ul>" for tag, group in groups.items())}
<h2>more</h2><ul><li><a href="#credentials">Credentials</a></li><li><a href="#bodies">Bodies</a></li></ul>
</nav>
<main id="operations">
{"".join(_group(tag, group, document) for tag, group in groups.items())}
{_credentials(document["components"]["securitySchemes"])}
{_bodies(document["components"]["schemas"])}
</main>
</body>
</html>
"""


class _Shown:
    """An operation in its place."""

    def __init__(self, method: str, path: str, told: JsonObject) -> None:
        self.name = f"<code><b>{method.upper()}</b> {escape(path)}</code>"
        self.id: str = told["operationId"]
        self.told = told


def _operations(document: JsonObject, tag: str) -> Iterator[_Shown]:
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if tag in told["tags"]:
                yield _Shown(method, path, told)


def _entry(shown: _Shown) -> str:
    return f'<li><a href="#{shown.id}">{shown.name}</a></li>\n'


def _group(tag: str, group: Iterable[_Shown], document: JsonObject) -> str:
    return _section(f"tag-{tag}", tag, "".join(_article(shown, document) for shown in group))


def _article(shown: _Shown, document: JsonObject) -> str:
    told = shown.told
    scope = f"Scope: <code>{told['x-scope']}</code>." if "x-scope" in told else "Needs no credential."
    parts = [
        f'<h3 id="{shown.id}">{shown.name}</h3>',
        f"<p>{_prose(told['summary'])}</p>",
        f'<p class="quiet">{scope}</p>',
    ]
    if parameters := told.get("parameters"):
        rows = [(f"<code>{escape(p['name'])}</code>", escape(p["in"]), _said(p, p["schema"])) for p in parameters]
        parts.append(_table("Parameters", ("Name", "In", "Meaning"), rows))
    if body := told.get("requestBody"):
        content = body["content"][JSON]
        parts += [f"<h4>Body</h4><p>JSON: {_kind(content['schema'])}</p>", *_examples(content)]
    parts.append(
        _table(
            "Answers", ("Status", "Meaning", "Body"), [_answer(s, a, document) for s, a in told["responses"].items()]
        )
    )
    if example := "".join(_answer_examples(told["responses"])):
        parts.append(f"<details><summary>Example of an answer</summary>{example}</details>")
    return f"<article>\n{''.join(parts)}\n</article>\n"


def _answer(status: str, answer: JsonObject, document: JsonObject) -> tuple[str, str, str]:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    kinds = ", ".join(
        _kind(content["schema"]) if kind == JSON else escape(kind) for kind, content in answer["content"].items()
    )
    headers = "".join(f" With <code>{escape(name)}</code>." for name in answer.get("headers", ()))
    return f"<code>{status}</code>", _prose(answer["description"]) + headers, kinds


def _answer_examples(responses: JsonObject) -> Iterator[str]:
    for answer in responses.values():
        for content in answer.get("content", {}).values():
            yield from _examples(content)


def _examples(content: JsonObject) -> Iterator[str]:
    shown = {name: example["value"] for name, example in content.get("examples", {}).items()}
    if "example" in content:
        shown[""] = content["example"]
    for value in shown.values():
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        yield f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _credentials(schemes: JsonObject) -> str:
    rows = [
        (
            f"<code>{escape(name)}</code>",
            escape(f"{scheme['type']} {scheme.get('name', '')}"),
            _prose(scheme["description"]),
        )
        for name, scheme in schemes.items()
    ]
    table = _table("Any one of them, where an operation has a scope", ("Name", "Kind", "Meaning"), rows)
    return _section("credentials", "Credentials", table)


def _bodies(schemas: JsonObject) -> str:
    return _section("bodies", "Bodies", "".join(_body(name, schema) for name, schema in schemas.items()))


def _body(name: str, schema: JsonObject) -> str:
    parts = [f'<h3 id="body-{escape(name)}"><code>{escape(name)}</code></h3>']
    if text := schema.get("description"):
        parts.append(f"<p>{_prose(text)}</p>")
    if "enum" in schema:
        parts.append(f"<p>{_kind(schema)}</p>")
    required = {*schema.get("required", ()), *_one_of(schema)}
    rows = [
        (f"<code>{escape(key)}</code>", "" if key not in required else "always", _said(value, value))
        for key, value in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(_table(f"Keys of {name}", ("Key", "There", "Meaning"), rows))
    return f"<article>\n{''.join(parts)}\n</article>\n"


def _section(name: str, title: str, inner: str) -> str:
    name, title = escape(name), escape(title)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{inner}</section>\n'


def _one_of(schema: JsonObject) -> Iterator[str]:
    """The keys of which one spelling is needed: their first."""
    for part in schema.get("allOf", ()):
        if "not" not in part["oneOf"][-1]:
            yield part["oneOf"][0]["required"][0]


def _said(told: JsonObject, schema: JsonObject) -> str:
    """A description, and what kind of value it is about."""
    kind = f'<p class="quiet">{_kind(schema)}</p>'
    text = told.get("description")
    old = "<p>Another spelling.</p>" if schema.get("deprecated") else ""
    return (f"<p>{_prose(text)}</p>" if text and not old else old) + kind


def _kind(schema: JsonObject) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return _with_default(f'<a href="#body-{name}"><code>{name}</code></a>', schema)
    if "anyOf" in schema:
        return _with_default(" or ".join(_kind(part) for part in schema["anyOf"]), schema)
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(choice))}</code>" for choice in schema["enum"])
    kinds = schema.get("type", "any")
    words = " or ".join(escape(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "items" in schema:
        words = f"list of {_kind(schema['items'])}"
    words += _range(schema, "minLength", "maxLength", " characters") + _range(schema, "minimum", "maximum", "")
    return _with_default(words, schema)


def _range(schema: Mapping[str, Any], least: str, most: str, unit: str) -> str:
    low, high = (None if abs(schema.get(key, MAX_WHOLE)) == MAX_WHOLE else schema[key] for key in (least, most))
    if low is None:
        return "" if high is None else f", at most {high}{unit}"
    return f", {low} or more{unit}" if high is None else f", {low} to {high}{unit}"


def _with_default(words: str, schema: JsonObject) -> str:
    default = schema.get("default")
    if default in (None, cast("object", [])):
        return words
    return f"{words}; default <code>{escape(json.dumps(default, ensure_ascii=False))}</code>"


def _table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    label = escape(caption)
    return (
        f'<div class="table" role="region" aria-label="{label}" tabindex="0"><table><caption>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )


def _prose(text: str) -> str:
    """A text of the declarations: what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))

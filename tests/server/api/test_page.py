from __future__ import annotations

from html.parser import HTMLParser
from http import HTTPStatus

import pytest
from attrs import evolve, field, frozen
from attrs.validators import le

from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure
from xopc.contracts.limits import ID
from xopc.contracts.openapi.document import document
from xopc.server.api import ROUTES
from xopc.server.api.page import page
from xopc.server.routes import Call, Route

VOID = {"meta", "link", "img", "br", "hr", "input"}


@frozen
class Odd:
    """Holds <b>&</b> `code`."""

    name: str = field(validator=ID)
    """Of <i>it</i>."""
    many: tuple[int, ...] = ()
    size: int | None = field(default=3, validator=le(5))


async def handler(call: Call[Odd]) -> Odd:
    return call.body


ODD = Route(
    method="POST",
    path="/api/odd/{id}",
    summary="Odd & `even` <things>.",
    scope=Scope.ADMIN,
    handler=handler,
    request=Odd,
    response=Odd,
    also={HTTPStatus.ACCEPTED: Odd},
    errors=(Failure.CONFLICT,),
)


class Reader(HTMLParser):
    """Fails where tags do not match; keeps what links and headings there are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.headings: list[int] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if identity := named.get("id"):
            self.ids.append(identity)
        for target in (named.get("href"), named.get("aria-labelledby") and f"#{named['aria-labelledby']}"):
            if target and target.startswith("#"):
                self.targets.append(target[1:])
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(*routes: Route) -> tuple[str, Reader]:
    text = page(document("things & more", "1.2", routes, "About `it`."))
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return text, reader


@pytest.mark.parametrize("routes", [ROUTES, (ODD,)])
def test_the_page_is_well_formed_and_each_link_in_it_leads_somewhere(routes: tuple[Route, ...]) -> None:
    _, reader = read(*routes)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.targets) <= set(reader.ids)


def test_the_page_has_landmarks_and_headings_without_gaps() -> None:
    text, reader = read(*ROUTES)
    assert [reader.seen.count(tag) for tag in ("h1", "main", "nav", "header")] == [1, 1, 1, 1]
    steps = zip([0, *reader.headings], reader.headings, strict=False)
    assert all(after - before <= 1 for before, after in steps)
    assert '<html lang="en">' in text
    assert 'name="viewport"' in text
    assert text.index('class="skip"') < text.index("<header>")


def test_what_is_declared_is_shown_as_text() -> None:
    text, _ = read(ODD)
    assert "<h1>things &amp; more</h1>" in text
    assert "<p>About <code>it</code>.</p>" in text
    assert "<p>Odd &amp; <code>even</code> &lt;things&gt;.</p>" in text
    assert "Of &lt;i&gt;it&lt;/i&gt;." in text
    assert "<code>operator.admin</code>" in text
    assert "string, 1 to 256 characters" in text
    assert "integer or null, at most 5; default <code>3</code>" in text
    assert "list of integer" in text
    for status in (200, 202, 400, 401, 409):
        assert f"<td><code>{status}</code></td>" in text


def test_a_route_for_everybody_says_so() -> None:
    text, _ = read(evolve(ODD, scope=None))
    assert "Needs no credential." in text

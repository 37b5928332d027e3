"""What holds for any file and any patch, made of keys that the settings have and of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from hypothesis import HealthCheck, given, settings, strategies as st

from xopc.config.findings import Findings
from xopc.config.parse import parse
from xopc.config.patch import patched
from xopc.config.secrets.references import Keys
from xopc.config.sent import is_same
from xopc.config.substitute import is_secret, substitute
from xopc.config.view import effective, masked
from xopc.config.write import text_of
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import InvalidValueError

ENVIRON = {"A": "an-invented-secret-0123456789", "B": "b"}
TEXTS = st.sampled_from(["", " ", "***", "${A}", "${B}/y", "${NONE}", "$${B}", "sk-abcdefgh", "\ud800", "\0", "a/b"])
NAMES = (
    "gateway auth token password tokens name id sha256 mode host agents defaults list model imageModel modelFallbacks "
    "primary fallbacks providers openai channels telegram accounts work botToken groups rateLimit lockoutMs "
    "blockDurationMs bind ext apiSecret __proto__"
)
KEYS = st.sampled_from(NAMES.split())
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | TEXTS | st.text(max_size=2)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
SECTIONS: dict[str, st.SearchStrategy[Any]] = {
    "gateway": VALUES | st.fixed_dictionaries({}, optional={"auth": OBJECTS, "bind": LEAVES, "host": LEAVES}),
    "agents": VALUES | st.fixed_dictionaries({}, optional={"defaults": OBJECTS, "list": st.lists(OBJECTS, max_size=3)}),
    "providers": st.dictionaries(KEYS, LEAVES, max_size=3),
    "channels": st.dictionaries(KEYS, OBJECTS, max_size=2),
    "ext": VALUES,
}
PATCHES = st.fixed_dictionaries({}, optional=SECTIONS)
many = settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def leaves(value: object, keys: Keys = ()) -> Iterator[tuple[Keys, object]]:
    match value:
        case dict():
            for key, item in cast("JsonObject", value).items():
                yield from leaves(item, (*keys, key))
        case list():
            for index, item in enumerate(cast("list[object]", value)):
                yield from leaves(item, (*keys, index))
        case _:
            yield keys, value


def has_secret_list(raw: JsonObject) -> bool:
    """Whether a list stands in a secret's place: no gateway takes it, and none of its items can be told apart."""
    return any(is_secret(keys[: keys.index(0)]) for keys, _ in leaves(raw) if 0 in keys)


FILES = PATCHES.filter(lambda raw: not has_secret_list(raw))


def hides(name: str, text: str) -> bool:
    return "secret" in name.lower() or text.startswith("sk-")


def in_effect(raw: JsonObject) -> JsonObject:
    return effective(substitute(raw, ENVIRON, Findings()))


@many
@given(FILES)
def test_what_is_shown_may_be_sent_back_and_changes_nothing(raw: JsonObject) -> None:
    shown = in_effect(raw)
    for sent in (masked(shown, hides), shown, {}):
        assert json.dumps(patched(raw, shown, sent)) == json.dumps(raw)


@many
@given(PATCHES, PATCHES)
def test_a_patch_either_names_its_problems_or_takes_effect(raw: JsonObject, patch: JsonObject) -> None:
    before = json.dumps(raw)
    try:
        after = patched(raw, in_effect(raw), patch)
    except InvalidValueError as error:
        named = [problem.path.startswith("$") for problem in error.problems]
        assert all(named)
    else:
        assert is_same(parse(text_of(after).decode())[0], json.loads(json.dumps(after)))
        # What it asked for is in effect now: nothing of it is left to be done.
        assert is_same(patched(after, in_effect(after), patch), after)
    assert json.dumps(raw) == before


@many
@given(PATCHES, PATCHES)
def test_what_a_patch_does_not_speak_of_stays_as_it_is(raw: JsonObject, patch: JsonObject) -> None:
    try:
        after = patched(raw, in_effect(raw), patch)
    except InvalidValueError:
        return
    for key in raw.keys() - patch.keys():
        assert json.dumps(after[key]) == json.dumps(raw[key])


@many
@given(FILES)
def test_nothing_that_is_shown_holds_a_secret(raw: JsonObject) -> None:
    for keys, value in leaves(masked(in_effect(raw), hides)):
        assert not is_secret(keys) or value in ("", "***")

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from xopc.config.secrets.references import (
    PATTERN,
    Reference,
    Secrets,
    Source,
    as_text,
    file_in,
    has_leftover,
    has_reference,
    path_of,
    reference_of,
    references_in,
)

PATHS = st.text(st.characters(exclude_characters="{}", exclude_categories=("Cs",)), min_size=1).map(str.strip)
NAMES = PATHS.filter(lambda path: not path.startswith("-"))
"""`${file:-x}` is the variable `file`, or x."""


@pytest.mark.parametrize(
    ("text", "refers"),
    [
        ("${A}", True),
        ("x${A:-b}", True),
        ("${file:token}", True),
        ("${credential:token}", True),
        ("${command:token}", True),
        ("$${A}", False),
        ("$${file:token}", False),
        ("${vault:token}", False),
        ("${1}", False),
        ("plain", False),
        (None, False),
        (5, False),
    ],
)
def test_a_reference_is_recognised(text: object, refers: bool) -> None:
    assert has_reference(text) is refers


def test_each_reference_to_a_secret_is_found_with_its_keys() -> None:
    value = {
        "a": "${file: ~/x y } and ${command:z}",
        "b": [1, None, {"c": "${credential:n}${NAME}$${file:no}"}],
        "${file:key}": True,
    }
    assert list(references_in(value)) == [
        (("a",), Reference(Source.FILE, "~/x y")),
        (("a",), Reference(Source.COMMAND, "z")),
        (("b", 2, "c"), Reference(Source.CREDENTIAL, "n")),
    ]


@given(st.sampled_from(Source), NAMES)
def test_a_reference_is_read_as_it_is_written(source: Source, name: str) -> None:
    reference = Reference(source, name)
    match = PATTERN.fullmatch(str(reference))
    assert match is not None
    assert reference_of(match) == reference


@pytest.mark.parametrize(
    ("text", "path"),
    [("${file:~/x}", "~/x"), ("a ${file:x}", None), ("${command:x}", None), ("${A}", None), ("$${", None), (5, None)],
)
def test_a_text_that_is_a_file_s_and_nothing_else_is_told(text: object, path: str | None) -> None:
    assert file_in(text) == path


@pytest.mark.parametrize(
    ("text", "leftover"),
    [
        ("${A} ${B:-c} ${file:x} $${", False),
        ("", False),
        ("$A {b}", False),
        ("${vault:x}", True),
        ("${A", True),
        ("${}", True),
    ],
)
def test_what_refers_to_nothing_is_noticed(text: str, leftover: bool) -> None:
    assert has_leftover(text) is leftover


def test_openclaw_s_reference_to_the_environment_is_understood() -> None:
    assert as_text({"source": "env", "provider": "default", "id": "OPENAI_API_KEY"}) == "${OPENAI_API_KEY}"
    assert as_text({"source": "env", "id": "A"}) == "${A}"


@pytest.mark.parametrize(
    "value", [{}, {"source": "env"}, {"source": 1, "id": "A"}, {"source": "env", "id": "A", "more": 1}]
)
def test_another_object_is_no_reference(value: dict[str, object]) -> None:
    assert as_text(value) is None


@pytest.mark.parametrize(
    ("source", "name", "cure"),
    [
        ("env", "A B", "name an environment variable"),
        ("file", "/providers/openai", "${file:PATH}"),
        ("exec", "vault/openai", "secrets.commands"),
        ("vault", "openai", "${credential:NAME}"),
    ],
)
def test_of_what_is_not_supported_it_is_said_what_to_write(source: str, name: str, cure: str) -> None:
    with pytest.raises(ValueError, match="source") as caught:
        as_text({"source": source, "provider": "default", "id": name})
    assert cure in str(caught.value)
    assert name not in str(caught.value)


def test_a_snapshot_shows_no_secret() -> None:
    assert "invented" not in repr(Secrets({Reference(Source.FILE, "x"): "an-invented-secret"}))


def test_a_place_is_told_as_a_path() -> None:
    assert path_of(("gateway", "auth", "tokens", 0, "odd key")) == '$.gateway.auth.tokens[0]["odd key"]'

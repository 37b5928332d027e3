from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from tests.fakes.definitions import AWKWARD, a_definition
from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.one_line import check_texts, one_line


def test_whatever_can_be_written_stays_as_it_is() -> None:
    assert one_line(AWKWARD, "a test") == AWKWARD


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a\nb", "the name holds a line break"),
        ("a\r", "the name holds a line break"),
        ("a\0", "the name holds a control character"),
        ("a\u2028b", "the name holds a control character"),
        ("\ud800", "the name is not UTF-8"),
    ],
)
def test_what_cannot_be_written_is_refused(text: str, what: str) -> None:
    with pytest.raises(ServiceManagerError, match=what):
        one_line(text, "the name")


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("description", "a\nb", "the description"),
        ("working_directory", Path("/a\nb"), "the directory of the configuration"),
        ("secrets_path", Path("/a\nb/x.env"), "the path of the state directory"),
        ("log_dir", Path("/a\nb"), "the path of the log's directory"),
        ("arguments", ("/bin/true", "a\nb"), "the command line"),
        ("environment", {"NAME": "a\nb"}, "the variable NAME"),
    ],
)
def test_each_text_of_a_definition_is_looked_at(home: Path, field: str, value: object, place: str) -> None:
    check_texts(a_definition(home))
    with pytest.raises(ServiceManagerError, match=f"^{place} holds a line break"):
        check_texts(evolve(a_definition(home), **{field: value}))

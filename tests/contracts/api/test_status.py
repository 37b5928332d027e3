from __future__ import annotations

import json
import re

import attrs
import pytest
from hypothesis import given, strategies as st

from xopc.contracts.api import status as api
from xopc.contracts.api.status import ErrorBody, ErrorDetail, Health, RestartRequest
from xopc.contracts.convert import camel, structure, unstructure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.limits import MAX_WHOLE

st.register_type_strategy(int, st.integers(-MAX_WHOLE, MAX_WHOLE))  # what JSON carries exactly

CLASSES: list[type[attrs.AttrsInstance]] = [
    cls for cls in vars(api).values() if isinstance(cls, type) and attrs.has(cls) and cls.__module__ == api.__name__
]


def values(cls: type[attrs.AttrsInstance]) -> st.SearchStrategy[object]:
    if cls is RestartRequest:
        return st.builds(RestartRequest, st.none() | st.text(max_size=200))
    return st.from_type(cls)


@given(st.sampled_from(CLASSES).flatmap(values))
def test_every_value_survives_the_way_over_the_wire(value: object) -> None:
    assert structure(json.loads(json.dumps(unstructure(value))), type(value)) == value


@pytest.mark.parametrize("cls", CLASSES)
def test_a_class_is_frozen_and_its_keys_are_plain_camel_case(cls: type[attrs.AttrsInstance]) -> None:
    assert cls.__setattr__ is not object.__setattr__
    for attribute in attrs.fields(cls):
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", camel(attribute.name)), attribute.name


def test_health_holds_what_probes_rely_on() -> None:
    assert {"status", "uptime", "version", "pid"} <= attrs.fields_dict(Health).keys()


def test_the_error_envelope_has_this_shape() -> None:
    assert unstructure(ErrorBody(ErrorDetail("NOT_FOUND", "No such thing."))) == {
        "error": {"code": "NOT_FOUND", "message": "No such thing."}
    }


def test_a_reason_of_201_characters_is_refused_with_its_path() -> None:
    structure({"reason": "x" * 200}, RestartRequest)
    with pytest.raises(InvalidValueError) as caught:
        structure({"reason": "x" * 201}, RestartRequest)
    assert [problem.path for problem in caught.value.problems] == ["$.reason"]
    assert "200" in caught.value.message

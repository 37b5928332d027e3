from __future__ import annotations

import json
from enum import Enum
from typing import Any

import pytest
from attrs import define, field, frozen
from attrs.validators import and_, ge, le, matches_re, optional
from hypothesis import given, settings, strategies as st

from xopc.contracts.api.status import RestartRequest, TaskState, TreeNode
from xopc.contracts.auth import AuthMode
from xopc.contracts.convert import (
    MAX_PROBLEMS,
    MAX_UNKNOWN_KEYS,
    camel,
    closest,
    join,
    restore,
    spelled,
    structure,
    structure_known,
    unknown_keys,
    unstructure,
)
from xopc.contracts.errors import InvalidValueError, Problem
from xopc.contracts.limits import MAX_WHOLE
from xopc.contracts.settings.access import AuthSettings, RateLimitSettings
from xopc.contracts.settings.file import (
    AgentDefaults,
    AgentEntry,
    AgentsSettings,
    BindMode,
    CommandSettings,
    GatewaySettings,
    ModelChoice,
    Settings,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))

SETTINGS = st.builds(
    Settings,
    gateway=st.builds(
        GatewaySettings,
        bind=st.none() | st.sampled_from(BindMode),
        custom_bind_host=st.none() | TEXT,
        host=st.none() | TEXT,
        port=st.integers(1, 65535),
        auth=st.builds(
            AuthSettings,
            mode=st.none() | st.sampled_from(AuthMode),
            token=st.none() | TEXT,
            password=st.none() | TEXT,
            rate_limit=st.none() | st.builds(RateLimitSettings, st.booleans(), st.integers(1, 9)),
        ),
    ),
    commands=st.builds(CommandSettings, restart=st.booleans()),
    agents=st.builds(
        AgentsSettings,
        defaults=st.builds(AgentDefaults, model=st.none() | st.just("a/b") | st.builds(ModelChoice, st.just("a/b"))),
        list=st.just(()) | st.builds(AgentEntry, st.just("coder"), st.booleans(), TEXT).map(lambda entry: (entry,)),
    ),
    providers=st.dictionaries(TEXT, TEXT, max_size=2),
)

TREES = st.recursive(
    st.builds(TreeNode, TEXT, st.sampled_from(TaskState), TEXT, st.integers(0, MAX_WHOLE), st.none() | TEXT),
    lambda inner: st.builds(
        TreeNode, TEXT, st.sampled_from(TaskState), TEXT, children=st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@frozen
class Point:
    x_axis: int
    y_axis: float = 0.0


@frozen
class Sample:
    """One attribute of each kind that the contracts use."""

    full_name: str
    is_open: bool = False
    colour: Colour = Colour.RED
    point: Point | None = None
    tags: tuple[str, ...] = ()
    points: tuple[Point, ...] = ()
    boxes: dict[str, Point] = field(factory=dict[str, Point])
    place: str | Point | None = None
    spot: str | Point = ""


@frozen
class Range:
    """Its attributes are fine one by one, and not together."""

    low: int
    high: int

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


def _is_even(_: object, __: object, value: int) -> None:
    if value % 2:
        raise ValueError("must be even")


@frozen
class Even:
    number: int = field(validator=_is_even)


def problems(value: object, kind: type[object] = Sample) -> list[str]:
    with pytest.raises(InvalidValueError) as caught:
        structure(value, kind)
    return [str(problem) for problem in caught.value.problems]


@settings(deadline=None)  # a busy machine is no failure
@given(SETTINGS)
def test_settings_survive_the_way_to_json_and_back(value: Settings) -> None:
    assert structure(json.loads(json.dumps(unstructure(value))), Settings) == value


@settings(deadline=None)  # a busy machine is no failure
@given(TREES)
def test_a_tree_survives_the_way_to_json_and_back(tree: TreeNode) -> None:
    assert structure(json.loads(json.dumps(unstructure(tree))), TreeNode) == tree


def test_keys_are_in_camel_case_enums_go_by_value_and_tuples_are_lists() -> None:
    sample = Sample(
        "x",
        colour=Colour.BLUE,
        point=Point(1),
        tags=("a",),
        points=(Point(2, 0.5),),
        boxes={"home_base": Point(3)},
        place="here",
        spot=Point(4),
    )
    value: dict[str, Any] = {
        "fullName": "x",
        "isOpen": False,
        "colour": "blue",
        "point": {"xAxis": 1, "yAxis": 0.0},
        "tags": ["a"],
        "points": [{"xAxis": 2, "yAxis": 0.5}],
        "boxes": {"home_base": {"xAxis": 3, "yAxis": 0.0}},
        "place": "here",
        "spot": {"xAxis": 4, "yAxis": 0.0},
    }
    assert unstructure(sample) == value
    assert structure(value, Sample) == sample


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"boxes": []}, "$.boxes: must be an object, not a list"),
        ({"boxes": {"a b": {"xAxis": "1"}}}, '$.boxes["a b"].xAxis: must be a whole number, not a text of length 1'),
        ({"boxes": {"a": {"xAxis": 1, "q": 1}}}, "$.boxes.a.q: unknown key"),
        ({"place": 3}, "$.place: must be a text or an object, not a whole number"),
        ({"place": {"yAxis": 1}}, "$.place.xAxis: is missing"),
        ({"spot": None}, "$.spot: must be a text or an object, not null"),
    ],
)
def test_mappings_and_alternatives_are_refused_with_their_path(value: dict[str, Any], what: str) -> None:
    assert problems({"fullName": "x", **value}) == [what]


def test_what_has_a_default_may_be_left_out() -> None:
    assert structure({"fullName": "x"}, Sample) == Sample("x")


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("fullName", 5, "must be a text, not a whole number"),
        ("fullName", None, "must be a text, not null"),
        ("fullName", "half a pair \ud800", "holds half a surrogate pair, which no encoding can carry"),
        ("isOpen", 1, "must be true or false, not a whole number"),
        ("isOpen", "true", "must be true or false, not a text of length 4"),
        ("colour", "rde", 'must be one of "red", "blue", not a text of length 3; did you mean "red"?'),
        ("colour", "", 'must be one of "red", "blue", not an empty text'),
        ("colour", None, 'must be one of "red", "blue", not null'),
        ("colour", ["red"], 'must be one of "red", "blue", not a list'),
        ("point", [], "must be an object, not a list"),
        ("point", "xAxis", "must be an object, not a text of length 5"),
        ("tags", "abc", "must be a list, not a text of length 3"),
        ("tags", {"a": 1}, "must be a list, not an object"),
        ("tags", None, "must be a list, not null"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_path(key: str, value: object, what: str) -> None:
    assert problems({"fullName": "x", key: value}) == [f"$.{key}: {what}"]


def test_all_problems_are_found_and_each_has_its_path() -> None:
    value = {"isOpen": 0, "tags": ["a", 1, "b", None], "points": [{"xAxis": 1}, {"yAxis": "x"}, 3], "nmae": 1}
    assert problems(value) == [
        "$.fullName: is missing",
        "$.isOpen: must be true or false, not a whole number",
        "$.tags[1]: must be a text, not a whole number",
        "$.tags[3]: must be a text, not null",
        "$.points[1].xAxis: is missing",
        "$.points[1].yAxis: must be a number, not a text of length 1",
        "$.points[2]: must be an object, not a whole number",
        "$.nmae: unknown key",
    ]


@pytest.mark.parametrize("value", [None, [], "x", 1, True, [["fullName", "x"]]])
def test_what_is_no_object_is_refused(value: object) -> None:
    (problem,) = problems(value)
    assert problem.startswith("$: must be an object, not ")


def test_a_validator_s_refusal_has_its_path() -> None:
    assert problems({"number": 3}, Even) == ["$.number: must be even"]
    assert structure({"number": 4}, Even) == Even(4)
    (problem,) = problems({"reason": "x" * 201}, RestartRequest)
    assert problem.startswith("$.reason: ")


def test_a_refusal_of_the_whole_class_has_its_path_too() -> None:
    assert problems({"low": 2, "high": 1}, Range) == ["$: low must not be above high"]


def test_an_error_in_our_own_code_is_not_taken_for_a_bad_value() -> None:
    def broken(_: object, __: object, ___: object) -> None:
        raise RuntimeError("a bug")

    @define
    class Broken:
        number: int = field(validator=broken)

    with pytest.raises(RuntimeError, match="a bug"):
        structure({"number": 1}, Broken)


def test_no_problem_shows_the_value_that_it_refuses() -> None:
    secret = "correct-horse-battery-staple"
    value = {"fullName": [secret], "isOpen": secret, "colour": secret, "point": secret, "tags": {secret: secret}}
    assert len(problems(value)) == 5
    assert secret not in "".join(problems(value))


def test_unknown_keys_of_settings_come_back_beside_them() -> None:
    value: object = {"gateway": {"prot": 1, "port": 5}, "zebra": {"gateway": {}}}
    known, unknown = structure_known(value, Settings)
    assert known.gateway.port == 5
    assert unknown == (
        Problem("$.gateway.prot", 'unknown key; did you mean "port"?'),
        Problem("$.zebra", "unknown key"),
    )


def test_unknown_keys_do_not_hide_a_problem() -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure_known({"gateway": {"prot": 1, "port": "5"}}, Settings)
    assert [problem.path for problem in caught.value.problems] == ["$.gateway.port"]


def test_what_was_stored_comes_back_without_the_keys_of_another_version() -> None:
    stored = unstructure(TaskState.RUNNING), {"gateway": {"prot": 1, "port": 5}, "zebra": {}}
    assert restore(stored[0], TaskState) is TaskState.RUNNING
    assert restore(stored[1], Settings).gateway.port == 5
    with pytest.raises(InvalidValueError) as caught:
        restore({"gateway": {"prot": 1, "port": "5"}}, Settings)
    assert [problem.path for problem in caught.value.problems] == ["$.gateway.port"]


def test_unknown_keys_are_found_in_lists_and_in_what_may_be_null() -> None:
    value = {"point": {"zAxis": 1}, "points": [{}, {"zAxis": 1}]}
    assert [problem.path for problem in unknown_keys(value, Sample)] == ["$.point.zAxis", "$.points[1].zAxis"]


def test_a_flood_of_unknown_keys_is_cut_short() -> None:
    value = {f"key {number} {'x' * 1000}": 1 for number in range(10_000)}
    found = unknown_keys(value, Sample)
    assert len(found) == MAX_UNKNOWN_KEYS
    assert all(len(str(problem)) < 200 for problem in found)


def test_a_flood_of_bad_values_is_cut_short() -> None:
    value = {"bindings": [{"agentId": 1}] * 10_000}
    with pytest.raises(InvalidValueError) as caught:
        structure(value, Settings)
    assert len(caught.value.problems) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("attribute", "key"), [("port", "port"), ("boot_id", "bootId"), ("custom_bind_host", "customBindHost")]
)
def test_a_key_is_the_attribute_in_camel_case(attribute: str, key: str) -> None:
    assert camel(attribute) == key


@pytest.mark.parametrize(
    ("key", "path"),
    [("port", "$.port"), (3, "$[3]"), ("odd key", '$["odd key"]'), ('"\n', '$["\\"\\n"]'), ("", '$[""]')],
)
def test_a_path_quotes_a_key_that_is_no_plain_word(key: str | int, path: str) -> None:
    assert join("$", key) == path


def test_the_closest_word_is_offered() -> None:
    assert closest("prot", ["bind", "port"]) == '; did you mean "port"?'
    assert closest("zebra", ["bind", "port"]) == ""


@frozen
class Spelled:
    chat: str | int = field(metadata=spelled("chat_id", "chatId"))
    thread: str | int | None = None
    key: str | None = field(default=None, metadata=spelled("idempotency_key"))


@pytest.mark.parametrize("key", ["chat_id", "chatId"])
@pytest.mark.parametrize("chat", ["a", "", 5, -100])
def test_an_attribute_may_have_keys_of_its_own(key: str, chat: str | int) -> None:
    assert structure({key: chat, "idempotency_key": "k"}, Spelled) == Spelled(chat, key="k")


def test_what_goes_out_has_the_first_spelling() -> None:
    assert unstructure(Spelled(5, None, "k")) == {"chat_id": 5, "thread": None, "idempotency_key": "k"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "$.chat_id: is missing"),
        ({"chat": "a"}, '$.chat_id: is missing; $.chat: unknown key; did you mean "chatId"?'),
        ({"chatId": None}, "$.chat_id: must be a text or a whole number, not null"),
        ({"chatId": True}, "$.chat_id: must be a text or a whole number, not true"),
        ({"chatId": 1.5}, "$.chat_id: must be a text or a whole number, not a number"),
        ({"chatId": 2**53}, "$.chat_id: must be a whole number of at most 9007199254740991"),
        ({"chat_id": "\ud800"}, "$.chat_id: holds half a surrogate pair, which no encoding can carry"),
        ({"chat_id": "a", "thread": []}, "$.thread: must be a text or a whole number, not a list"),
        ({"chat_id": "a", "chatId": "a"}, "$: chatId is another spelling of chat_id; send one of them"),
    ],
)
def test_a_problem_has_the_path_of_the_first_spelling(value: object, message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure(value, Spelled)
    assert caught.value.message == message


def test_an_id_may_be_null_where_its_class_says_so() -> None:
    assert structure({"chat_id": "a", "thread": None}, Spelled).thread is None
    assert structure({"chat_id": "a", "thread": 7}, Spelled).thread == 7
    assert repr(structure({"chat_id": "a", "thread": 7.0}, Spelled).thread) == "7"


@frozen
class Bounded:
    code: str | None = field(default=None, validator=optional(matches_re("[a-z]+")))
    rank: int = field(default=1, validator=and_(ge(1), le(9)))


def test_what_a_limit_wants_is_said_without_the_value_that_it_refuses() -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure({"code": "S3CRET", "rank": 12345}, Bounded)
    assert caught.value.message == "$.code: must match ^(?:[a-z]+)$; $.rank: must be 1 to 9"

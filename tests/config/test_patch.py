from __future__ import annotations

import json
from typing import Any

import pytest

from xopc.config.findings import Findings
from xopc.config.patch import patched
from xopc.config.substitute import substitute
from xopc.config.view import effective
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import InvalidValueError

SECRET = "an-invented-secret-0123456789"
ENVIRON = {"TOKEN": SECRET, "MODEL": "openai/gpt-6-luna", "ME": "123"}
MASK = "***"


def patch(raw: JsonObject, changes: JsonObject) -> Any:  # noqa: ANN401 - JSON
    return patched(raw, effective(substitute(raw, ENVIRON, Findings())), changes)


def refusal(raw: JsonObject, changes: JsonObject) -> list[str]:
    before = json.dumps(raw)
    with pytest.raises(InvalidValueError) as caught:
        patch(raw, changes)
    assert json.dumps(raw) == before
    return [str(problem) for problem in caught.value.problems]


# ------------------------------------------------------------------ objects


def test_objects_are_merged_and_keep_the_order_of_their_keys() -> None:
    raw = {"gateway": {"port": 1, "host": "localhost"}, "commands": {"restart": True}}
    after = patch(raw, {"agents": {"default": "ann"}, "gateway": {"standby": True, "port": 2}})
    assert json.dumps(after["gateway"]) == '{"port": 2, "host": "localhost", "standby": true}'
    assert list(after) == ["gateway", "commands", "agents"]


def test_null_deletes_a_key() -> None:
    assert patch({"gateway": {"port": 1, "host": "a"}}, {"gateway": {"port": None}}) == {"gateway": {"host": "a"}}
    assert patch({"gateway": {"port": 1}}, {"gateway": None}) == {}
    assert patch({}, {"gateway": {"port": None}, "agents": None}) == {}
    assert patch({"ext": 1}, {"ext": None}) == patch({}, {"ext": None}) == {}


def test_an_empty_secret_is_deleted() -> None:
    raw = {"providers": {"openai": SECRET}, "gateway": {"auth": {"password": SECRET}}}
    assert patch(raw, {"providers": {"openai": ""}, "gateway": {"auth": {"password": ""}}}) == {
        "providers": {},
        "gateway": {"auth": {}},
    }


def test_an_empty_section_is_not_written_but_an_empty_entry_of_a_map_is() -> None:
    assert patch({}, {"gateway": {"auth": {}}}) == {}
    after = patch({}, {"channels": {"telegram": {"accounts": {"work": {}}}}})
    assert after == {"channels": {"telegram": {"accounts": {"work": {}}}}}


def test_a_value_that_is_in_effect_already_is_no_change() -> None:
    assert patch({}, {"gateway": {"port": 18790, "corsOrigins": [], "auth": {"mode": "token"}}}) == {}
    assert patch({"agents": {"defaults": {"temperature": 1}}}, {"agents": {"defaults": {"temperature": 1.0}}}) == {
        "agents": {"defaults": {"temperature": 1}}
    }


def test_a_reference_stays_where_its_value_comes_back_and_goes_where_another_comes() -> None:
    raw = {"gateway": {"auth": {"token": "${TOKEN}"}}, "agents": {"defaults": {"model": "${MODEL}"}}}
    same = {"gateway": {"auth": {"token": SECRET}}, "agents": {"defaults": {"model": "openai/gpt-6-luna"}}}
    assert patch(raw, same) == raw
    other = {"gateway": {"auth": {"token": "${OTHER}"}}, "agents": {"defaults": {"model": "a/b"}}}
    assert patch(raw, other) == other


@pytest.mark.parametrize("mask", ["***", "••••••••••••"])
def test_a_mask_changes_nothing_wherever_it_stands(mask: str) -> None:
    raw = {"gateway": {"auth": {"token": "${TOKEN}"}, "host": "localhost"}, "ext": {"a": 5}}
    changes = {"gateway": {"auth": {"token": mask, "password": mask}, "host": mask, "port": mask}, "ext": {"a": mask}}
    assert patch(raw, changes) == raw


def test_the_file_s_spelling_is_kept() -> None:
    raw = {"gateway": {"auth": {"rateLimit": {"lockoutMs": 1000}}}}
    after = patch(raw, {"gateway": {"auth": {"rateLimit": {"blockDurationMs": 2000}}}})
    assert after == {"gateway": {"auth": {"rateLimit": {"lockoutMs": 2000}}}}
    assert patch(raw, {"gateway": {"auth": {"rateLimit": {"lockoutMs": None}}}}) == {
        "gateway": {"auth": {"rateLimit": {}}}
    }


def test_two_spellings_at_once_are_refused() -> None:
    changes = {"gateway": {"auth": {"rateLimit": {"blockDurationMs": 1, "lockoutMs": 2}}}}
    assert "$.gateway.auth.rateLimit.blockDurationMs: lockoutMs is another spelling" in refusal({}, changes)[0]


# ------------------------------------------------------------- unknown keys


def test_an_unknown_key_is_refused_with_its_path_and_a_guess() -> None:
    assert refusal({}, {"gateway": {"prot": 1}, "agents": {"defaults": {"modelFallback": []}}, "x": {}}) == [
        '$.gateway.prot: unknown key; did you mean "port"?',
        '$.agents.defaults.modelFallback: unknown key; did you mean "modelFallbacks"?',
        "$.x: unknown key",
    ]


def test_unknown_keys_of_the_file_may_be_changed_deleted_and_added_to() -> None:
    raw = {"ext": {"weather": {"city": "${ME}", "days": [1]}}, "gateway": {"old": 1}}
    assert patch(raw, {"ext": {"weather": {"days": [1, 2], "new": {"a": None, "b": []}}}, "gateway": {"old": 2}}) == {
        "ext": {"weather": {"city": "${ME}", "days": [1, 2], "new": {"b": []}}},
        "gateway": {"old": 2},
    }
    assert patch(raw, {"ext": None, "gateway": {"old": None}}) == {"gateway": {}}


def test_of_many_unknown_keys_the_first_twenty_are_told() -> None:
    assert len(refusal({}, {f"key{number}": 1 for number in range(100_000)})) == 20


@pytest.mark.parametrize("key", ["__proto__", "../../etc/passwd", "a\0b", "\ud800", "", "x" * 100_000])
def test_odd_keys_are_refused_with_a_path(key: str) -> None:
    everywhere: list[JsonObject] = [
        {key: 1}, {"providers": {key: "k"}}, {"ext": {key: {}}}, {"ext": {"list": [{key: 1}]}},
    ]  # fmt: skip
    for changes in everywhere:
        (problem,) = refusal({"ext": {}}, changes)
        assert problem.startswith("$")
        assert len(problem) < 300


@pytest.mark.parametrize("value", ["a\0b", "\ud800", float("inf"), {"a": ["\0"]}, ["\0"]])
def test_values_that_no_file_can_hold_are_refused_with_their_path(value: object) -> None:
    assert refusal({"ext": {}}, {"ext": {"a": value}})[0].startswith("$.ext.a")


def test_a_patch_that_is_nested_deeply_is_refused() -> None:
    value: object = 1
    for _ in range(900):
        value = {"a": value}
    assert refusal({"ext": {}}, {"ext": value}) == ["$: is nested deeper than 32 levels"]


# -------------------------------------------------------------------- lists


def test_a_list_is_replaced_whole() -> None:
    raw = {"gateway": {"corsOrigins": ["https://a.example.com"]}}
    after = patch(raw, {"gateway": {"corsOrigins": ["https://b.example.com"]}})
    assert after == {"gateway": {"corsOrigins": ["https://b.example.com"]}}


def test_items_that_stay_keep_their_references_and_what_they_leave_out() -> None:
    raw = {"agents": {"list": [{"id": "ann", "model": "${MODEL}", "mood": 1}, {"id": "bob"}]}}
    shown = effective(substitute(raw, ENVIRON, Findings()))["agents"]["list"]
    after = patch(raw, {"agents": {"list": [{"id": "new"}, shown[1], {**shown[0], "name": "Ann"}]}})
    assert after["agents"]["list"] == [
        {"id": "new"},
        {"id": "bob"},
        {"id": "ann", "model": "${MODEL}", "mood": 1, "name": "Ann"},
    ]
    assert patch(
        {"channels": {"telegram": {"allowFrom": ["${ME}"]}}}, {"channels": {"telegram": {"allowFrom": ["4", "123"]}}}
    ) == {"channels": {"telegram": {"allowFrom": ["4", "${ME}"]}}}


def test_what_an_item_does_not_name_is_gone() -> None:
    raw = {"agents": {"list": [{"id": "ann", "model": "a/b", "tools": {"disable": ["x"]}}]}}
    assert patch(raw, {"agents": {"list": [{"id": "ann", "tools": {}}]}})["agents"]["list"] == [
        {"id": "ann", "tools": {}}
    ]


def test_a_mask_in_a_list_stands_for_the_secret_of_the_same_name() -> None:
    tokens: list[JsonObject] = [
        {"name": "a", "sha256": "1" * 64, "scopes": []},
        {"name": "b", "sha256": "2" * 64, "scopes": []},
    ]
    sent = [{"name": "b", "sha256": MASK, "scopes": ["operator.read"]}]
    after = patch({"gateway": {"auth": {"tokens": tokens}}}, {"gateway": {"auth": {"tokens": sent}}})
    assert after["gateway"]["auth"]["tokens"] == [{"name": "b", "sha256": "2" * 64, "scopes": ["operator.read"]}]


def test_a_mask_in_a_list_that_stands_for_nothing_is_refused() -> None:
    sent: JsonObject = {"gateway": {"auth": {"tokens": [{"name": "new", "sha256": MASK, "scopes": []}]}}}
    assert refusal({}, sent) == [
        "$.gateway.auth.tokens[0].sha256: stands for a secret that is not there: send the secret itself"
    ]
    assert refusal({"ext": [1]}, {"ext": [MASK, 1, 2]})[0].startswith("$.ext[0]: stands for")


def test_an_unknown_key_of_an_item_is_refused_unless_it_is_there() -> None:
    raw = {"agents": {"list": [{"id": "ann", "mood": 1}]}}
    assert patch(raw, {"agents": {"list": [{"id": "ann", "mood": 2}]}})["agents"]["list"] == [{"id": "ann", "mood": 2}]
    assert refusal(raw, {"agents": {"list": [{"id": "bob", "xyzzy": 2}]}}) == ["$.agents.list[0].xyzzy: unknown key"]


# ------------------------------------------------------------------- models

CHOICE = {"primary": "a/b", "fallbacks": ["c/d"]}


@pytest.mark.parametrize("key", ["model", "imageModel", "imageGenerationModel"])
@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        (None, {"": "a/b"}, "a/b"),
        (None, {"": {"primary": "a/b"}}, "a/b"),
        (None, {"": {"primary": "a/b", "fallbacks": []}}, "a/b"),
        (None, {"": CHOICE}, CHOICE),
        (None, {"": "a/b", "Fallbacks": ["c/d"]}, CHOICE),
        (CHOICE, {"": "x/y"}, {"primary": "x/y", "fallbacks": ["c/d"]}),
        (CHOICE, {"": {"primary": "x/y"}}, "x/y"),
        (CHOICE, {"": {"primary": "x/y"}, "Fallbacks": ["c/d"]}, "x/y"),
        (CHOICE, {"Fallbacks": ["e/f"]}, {"primary": "a/b", "fallbacks": ["e/f"]}),
        (CHOICE, {"Fallbacks": []}, "a/b"),
        (CHOICE, {"Fallbacks": None}, "a/b"),
        (CHOICE, {"": ""}, None),
        (CHOICE, {"": None}, None),
        (CHOICE, {"": None, "Fallbacks": ["c/d"]}, None),
        (CHOICE, {"": "a/b", "Fallbacks": ["c/d"]}, CHOICE),
        (CHOICE, {"": MASK, "Fallbacks": ["x/y"]}, {"primary": "a/b", "fallbacks": ["x/y"]}),
        ("a/b", {"Fallbacks": ["c/d"]}, CHOICE),
        ({**CHOICE, "note": 1}, {"": "x/y"}, {"primary": "x/y", "fallbacks": ["c/d"], "note": 1}),
        ({"primary": "${MODEL}"}, {"Fallbacks": ["c/d"]}, {"primary": "${MODEL}", "fallbacks": ["c/d"]}),
        (
            {"primary": "a/b", "fallbacks": ["${MODEL}"]},
            {"Fallbacks": ["c/d", "openai/gpt-6-luna"]},
            {"primary": "a/b", "fallbacks": ["c/d", "${MODEL}"]},
        ),
        ("", {"": None, "Fallbacks": []}, ""),
    ],
)
def test_a_model_and_its_fallbacks_are_one_key_in_the_file(
    key: str, before: object, changes: dict[str, object], after: object
) -> None:
    raw = {"agents": {"defaults": {} if before is None else {key: before}}}
    sent = {f"{key}{suffix}": value for suffix, value in changes.items()}
    assert patch(raw, {"agents": {"defaults": sent}})["agents"]["defaults"] == ({} if after is None else {key: after})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"modelFallbacks": ["a/b"]}, "$.agents.defaults.modelFallbacks: there is no model that they could stand in"),
        ({"model": "a/b", "modelFallbacks": "c/d"}, "$.agents.defaults.modelFallbacks: must be a list"),
        ({"model": {"primary": "a/b", "fallbacks": False}}, "$.agents.defaults.model.fallbacks: must be a list"),
        ({"model": {"fallbacks": []}}, "$.agents.defaults.model.primary: is missing"),
        (
            {"model": {"primary": "a/b", "fallback": []}},
            '$.agents.defaults.model.fallback: unknown key; did you mean "fa',
        ),
    ],
)
def test_half_a_model_is_refused(changes: JsonObject, problem: str) -> None:
    assert refusal({}, {"agents": {"defaults": changes}})[0].startswith(problem)


def test_a_model_of_an_agent_is_written_as_it_is_sent() -> None:
    sent = {"agents": {"list": [{"id": "ann", "model": CHOICE}]}}
    assert patch({}, sent) == sent

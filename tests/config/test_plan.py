from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from xopc.config.plan import RULES, Effect, Plan, changed_keys, effect_of, make_plan
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.convert import keys_of
from xopc.contracts.settings.file import Settings

TOKEN = "an-invented-token-0123456789"
OTHER = "another-invented-token-98765"
NO_FLAGS = Flags()


@pytest.fixture
def at(tmp_path: Path) -> Path:
    (tmp_path / ".xopc").mkdir()
    return tmp_path


def resolved(at: Path, document: dict[str, Any], flags: Flags = NO_FLAGS, **environ: str) -> Resolved:
    document = {**document, "gateway": {"auth": {"token": TOKEN}, **document.get("gateway", {})}}
    (at / ".xopc" / "xopc.json").write_text(json.dumps(document))
    return resolve({"XOPC_HOME": str(at), **environ}, flags)


def plan_of(at: Path, document: dict[str, Any], flags: Flags = NO_FLAGS, **environ: str) -> Plan:
    """From a configuration with a token alone to that document."""
    return make_plan(resolved(at, {}, flags, **environ), resolved(at, document, flags, **environ))


@pytest.mark.parametrize(
    ("document", "path", "effect"),
    [
        ({"gateway": {"port": 18999}}, "gateway.port", Effect.MOVE),
        ({"gateway": {"bind": "lan"}}, "gateway.bind", Effect.MOVE),
        ({"gateway": {"auth": {"token": OTHER}}}, "gateway.auth.token", Effect.HOT),
        ({"gateway": {"corsOrigins": ["https://desk.example.com"]}}, "gateway.corsOrigins", Effect.HOT),
        ({"gateway": {"reload": {"mode": "off"}}}, "gateway.reload.mode", Effect.HOT),
        ({"gateway": {"channelConnectDeferMode": "off"}}, "gateway.channelConnectDeferMode", Effect.NONE),
        ({"commands": {"restart": False}}, "commands.restart", Effect.HOT),
        ({"agents": {"defaults": {"temperature": 0}}}, "agents.defaults.temperature", Effect.AGENT),
        ({"agents": {"list": [{"id": "robin"}]}}, "agents.list", Effect.AGENT),
        ({"providers": {"openai": "an-invented-key"}}, "providers.openai", Effect.AGENT),
        ({"providers": {"an odd one": "an-invented-key"}}, 'providers["an odd one"]', Effect.AGENT),
        ({"channels": {"telegram": {"dmPolicy": "open"}}}, "channels.telegram.dmPolicy", Effect.CHANNEL),
        ({"session": {"dmScope": "per-peer"}}, "session.dmScope", Effect.HOT),
        ({"bindings": [{"agentId": "main", "match": {"channel": "telegram"}}]}, "bindings", Effect.HOT),
    ],
)
def test_a_changed_key_has_the_effect_of_its_rule(
    at: Path, document: dict[str, Any], path: str, effect: Effect
) -> None:
    plan = plan_of(at, document)
    assert [(change.path, change.effect) for change in plan.changes] == [(path, effect)]
    assert plan.outranked == ()


def test_the_same_configuration_is_no_change(at: Path) -> None:
    assert plan_of(at, {"agents": {}, "bindings": []}) == Plan()


def test_an_unknown_key_is_no_change(at: Path) -> None:
    assert plan_of(at, {"gardening": {"hoses": 3}}) == Plan()


def test_each_key_of_the_settings_has_a_rule_of_its_own_section() -> None:
    """A rule for all of `gateway` is no rule for a key in it: somebody has to say what each of them takes."""
    without = {
        ".".join(keys)
        for keys in all_keys(Settings)
        if not any(
            ".".join(keys[:length]) in RULES for length in range(2 if keys[0] == "gateway" else 1, len(keys) + 1)
        )
    }
    assert without == set()


def test_each_rule_is_for_keys_that_there_are() -> None:
    known = {".".join(keys[:length]) for keys in all_keys(Settings) for length in range(1, len(keys) + 1)}
    assert set(RULES) - known == set()


def test_the_most_specific_rule_counts_and_a_key_without_one_takes_a_restart() -> None:
    rules = {"a": Effect.HOT, "a.b": Effect.NONE}
    assert effect_of(("a", "b", "c"), rules) is Effect.NONE
    assert effect_of(("a", "bc"), rules) is Effect.HOT
    assert effect_of(("b",), rules) is Effect.RESTART


def test_no_secret_is_in_a_plan(at: Path) -> None:
    document = {
        "gateway": {"auth": {"token": OTHER}},
        "providers": {"openai": "an-invented-key"},
        "channels": {"telegram": {"botToken": "123456:invented", "accounts": {"a": {"botToken": "654321:invented"}}}},
    }
    plan = plan_of(at, document)
    assert plan.channels == {"telegram"}
    assert plan.takes_agent
    assert not any(secret in repr(plan) for secret in (TOKEN, OTHER, "an-invented-key", "invented"))


@pytest.mark.parametrize(
    ("document", "flags", "environ", "path"),
    [
        ({"gateway": {"port": 18999}}, Flags(port=18800), {}, "gateway.port"),
        ({"gateway": {"bind": "lan"}}, Flags(bind="loopback"), {}, "gateway.bind"),
        ({"gateway": {"auth": {"token": OTHER}}}, Flags(token=TOKEN), {}, "gateway.auth.token"),
        ({"gateway": {"auth": {"token": OTHER}}}, Flags(), {"XOPC_GATEWAY_TOKEN": TOKEN}, "gateway.auth.token"),
        (
            {"gateway": {"auth": {"token": TOKEN, "mode": "none"}}},
            Flags(),
            {"XOPC_GATEWAY_AUTH_MODE": "token"},
            "gateway.auth.mode",
        ),
    ],
)
def test_a_key_that_an_option_or_a_variable_outranks_changes_nothing(
    at: Path, document: dict[str, Any], flags: Flags, environ: dict[str, str], path: str
) -> None:
    plan = plan_of(at, document, flags, **environ)
    assert plan == Plan(outranked=(path,))


@pytest.mark.parametrize("gateway", [{"bind": "loopback"}, {"auth": {"token": TOKEN, "mode": "token"}}])
def test_a_default_that_is_written_out_is_outranked_by_nothing(at: Path, gateway: dict[str, Any]) -> None:
    assert plan_of(at, {"gateway": gateway}) == Plan()


def test_a_limiter_that_is_raised_to_the_same_changes_nothing(at: Path) -> None:
    one = resolved(at, {"gateway": {"auth": {"token": TOKEN, "rateLimit": {"windowMs": 10}}}})
    other = resolved(at, {"gateway": {"auth": {"token": TOKEN, "rateLimit": {"windowMs": 20}}}})
    assert make_plan(one, other) == Plan(outranked=("gateway.auth.rateLimit.windowMs",))


def test_other_addresses_behind_the_same_words_are_no_change_of_the_configuration(at: Path) -> None:
    before = resolved(at, {})
    after = attrs.evolve(before, binding=attrs.evolve(before.binding, hosts=("100.64.1.2",)))
    assert make_plan(before, after) == Plan(), "whoever watches the addresses moves"


def test_the_sections_of_a_plan_are_the_first_keys(at: Path) -> None:
    plan = plan_of(at, {"gateway": {"standby": True, "port": 18999}, "session": {"dmScope": "per-peer"}})
    assert [change.section for change in plan.changes] == ["gateway", "gateway", "session"]
    assert plan.hot == ("gateway.standby", "session.dmScope")
    assert [change.path for change in plan.moves] == ["gateway.port"]
    assert plan.restarts == ()


def test_a_key_that_comes_or_goes_is_told_as_deep_as_both_have_it() -> None:
    one, other = {"a": {"x": 1, "y": 2}}, {"a": {"x": 1}, "b": 3}
    assert list(changed_keys(one, other, ("top",))) == [("top", "a", "y"), ("top", "b")]


def all_keys(section: type[attrs.AttrsInstance], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for attribute in attrs.fields(attrs.resolve_types(section)):
        keys = (*above, keys_of(attribute)[0])
        if attrs.has(attribute.type):
            yield from all_keys(attribute.type, keys)
        else:
            yield keys

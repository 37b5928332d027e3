from __future__ import annotations

import json

import pytest
from hypothesis import given, settings, strategies as st

from xopc.config.findings import Findings
from xopc.config.secrets.references import Reference, Secrets, Source
from xopc.config.substitute import is_secret, substitute
from xopc.contracts.errors import LostSecret

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def replaced(text: str, **environ: str) -> object:
    findings = Findings()
    result = substitute(text, environ, findings)
    assert findings == Findings()
    return result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${NAME}", "value"),
        ("a-${NAME}-${NAME}-z", "a-value-value-z"),
        ("${NAME:-other}", "value"),
        ("${MISSING:-other}", "other"),
        ("${MISSING:-}", ""),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${_x1}", "low"),
        ("$${NAME}", "${NAME}"),
        ("$${NAME} and ${NAME}", "${NAME} and value"),
        ("$NAME $ { $$", "$NAME $ { $$"),
        ("${}", "${}"),
        ("${1A}", "${1A}"),
        ("${user.name}", "${user.name}"),
        ("${NAME", "${NAME"),
    ],
)
def test_a_reference_is_replaced_and_other_text_is_kept(text: str, result: str) -> None:
    assert replaced(text, NAME="value", EMPTY="", _x1="low") == result


def test_what_comes_in_is_not_replaced_again() -> None:
    assert replaced("${A}", A="${B}", B="never") == "${B}"


def test_every_text_is_visited_and_keys_are_not() -> None:
    value = {"${A}": ["${A}", {"b": "${A}"}, 1, True, None, 1.5]}
    assert substitute(value, {"A": "x"}, Findings()) == {"${A}": ["x", {"b": "x"}, 1, True, None, 1.5]}


def test_a_missing_variable_is_an_empty_text_and_a_warning_with_its_path() -> None:
    findings = Findings()
    assert substitute({"agents": [{"name": "<${WHO}>"}]}, {}, findings) == {"agents": [{"name": "<>"}]}
    assert findings.problems == []
    assert findings.warnings == ["$.agents[0].name: the environment variable WHO is not set; taken as empty"]


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}, {"TOKEN": " \n"}])
def test_a_secret_s_missing_or_empty_variable_is_refused(environ: dict[str, str]) -> None:
    findings = Findings()
    substitute({"gateway": {"auth": {"token": "${TOKEN}"}}}, environ, findings)
    assert [problem.path for problem in findings.problems] == ["$.gateway.auth.token"]
    assert "TOKEN is not set, or is empty" in findings.problems[0].what
    assert findings.warnings == []


def test_a_secret_may_have_a_default() -> None:
    value = {"gateway": {"auth": {"token": "${TOKEN:-}", "password": "${PASSWORD:-fallback}"}}}
    findings = Findings()
    result = substitute(value, {}, findings)
    assert result == {"gateway": {"auth": {"token": "", "password": "fallback"}}}
    assert findings == Findings()


@pytest.mark.parametrize(
    ("keys", "secret"),
    [
        (("gateway", "auth"), False),
        (("gateway", "auth", "mode"), False),
        (("gateway", "auth", "token"), True),
        (("gateway", "auth", "password"), True),
        (("gateway", "auth", "tokens", 0, "sha256"), True),
        (("gateway", "auth", "tokens", 0, "name"), False),
        (("gateway", "tls", "keyPassword"), True),
        (("providers", "openai"), True),
        (("channels", "telegram", "botToken"), True),
        (("channels", "telegram", "accounts", "work", "botToken"), True),
        (("channels", "telegram", "name"), False),
        (("gateway", "tls", "keyPath"), False),
        (("gateway",), False),
        (("gateway", "host"), False),
        (("auth",), False),
    ],
)
def test_secrets_are_known_by_their_path(keys: tuple[str | int, ...], secret: bool) -> None:
    assert is_secret(keys) is secret


FOUND = Reference(Source.FILE, "token")
LOST = Reference(Source.COMMAND, "openai")
SECRETS = Secrets({FOUND: "an ${A} invented secret"}, {LOST: "it says nothing"})


def test_a_secret_that_is_kept_elsewhere_is_put_in_place_and_not_replaced_again() -> None:
    value = {"gateway": {"auth": {"token": "<${file:token}>"}}}
    findings = Findings()
    shown = substitute(value, {"A": "never"}, findings, SECRETS)
    assert shown == {"gateway": {"auth": {"token": "<an ${A} invented secret>"}}}
    assert findings == Findings()


def test_what_no_snapshot_knows_of_stays_as_it_is() -> None:
    assert replaced("${file:other} ${command:openai}") == "${file:other} ${command:openai}"


@pytest.mark.parametrize(
    "value",
    [
        {"providers": {"openai": "${command:openai}"}},
        {"agents": {"list": [{"id": "a", "systemPromptOverride": "${command:openai}"}]}},
        {"channels": {"telegram": {"enabled": True, "botToken": "${command:openai}"}}},
        {"channels": {"telegram": {"enabled": False, "accounts": {"b": {"botToken": "${command:openai}"}}}}},
    ],
)
def test_a_secret_that_cannot_be_had_is_refused_wherever_it_stands(value: object) -> None:
    findings = Findings()
    substitute(value, {}, findings, SECRETS)
    assert [(problem.what, type(problem)) for problem in findings.problems] == [("it says nothing", LostSecret)]
    assert findings.warnings == []


@pytest.mark.parametrize("text", ["${command:openai}", "${NO_SUCH_VARIABLE}"])
@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"channels": {"telegram": {"enabled": False, "botToken": "{}"}}}, "$.channels.telegram.botToken"),
        (
            {"channels": {"telegram": {"accounts": {"b": {"enabled": False, "botToken": "{}"}}}}},
            "$.channels.telegram.accounts.b.botToken",
        ),
        ({"gateway": {"tls": {"enabled": False, "keyPassword": "{}"}}}, "$.gateway.tls.keyPassword"),
        ({"agents": {"list": [{"id": "a", "enabled": False, "name": "{}"}]}}, "$.agents.list[0].name"),
    ],
)
def test_in_what_is_off_it_is_no_more_than_a_warning(value: object, path: str, text: str) -> None:
    findings = Findings()
    substitute(json.loads(json.dumps(value).replace("{}", text)), {}, findings, SECRETS)
    assert findings.problems == []
    (warning,) = findings.warnings
    assert warning.startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["${vault:openai}", "sk-${", "${file:a{b}}"])
def test_a_key_with_a_reference_that_refers_to_nothing_is_refused(text: str) -> None:
    findings = Findings()
    substitute({"providers": {"openai": text}}, {}, findings)
    (problem,) = findings.problems
    assert problem.path == "$.providers.openai"
    assert "refers to nothing" in problem.what


def test_openclaw_s_objects_are_read_where_a_secret_belongs_and_nowhere_else() -> None:
    reference = {"source": "env", "provider": "default", "id": "KEY"}
    value = {"providers": {"openai": reference}, "ext": {"city": reference}}
    findings = Findings()
    assert substitute(value, {"KEY": "k"}, findings) == {"providers": {"openai": "k"}, "ext": {"city": reference}}
    assert findings == Findings()
    assert substitute({"providers": reference}, {}, findings) == {"providers": reference}, "three keys of providers"


def test_an_object_that_is_not_supported_is_told_with_its_place() -> None:
    findings = Findings()
    substitute({"gateway": {"auth": {"token": {"source": "exec", "provider": "v", "id": "x"}}}}, {}, findings)
    (problem,) = findings.problems
    assert problem.path == "$.gateway.auth.token"
    assert "secrets.commands" in problem.what


@settings(deadline=None)  # a busy machine is no failure
@given(JSON)
def test_a_value_without_a_dollar_comes_back_as_it_is(value: object) -> None:
    findings = Findings()
    if "$" not in repr(value):
        assert substitute(value, {}, findings) == value
        assert findings == Findings()


@settings(deadline=None)  # a busy machine is no failure
@given(st.text() | st.text("${}AB:-"))
def test_an_escaped_text_comes_back_as_it_was(text: str) -> None:
    assert replaced(text.replace("${", "$${")) == text


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="$")), NAMES)), st.data())
def test_any_mix_of_text_and_references_is_the_text_with_the_values(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    environ = {name: data.draw(st.text()) for _, name in parts}
    text = "".join(f"{plain}${{{name}}}" for plain, name in parts)
    assert replaced(text, **environ) == "".join(plain + environ[name] for plain, name in parts)

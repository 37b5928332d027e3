from __future__ import annotations

import pytest

from xopc.contracts.convert import structure
from xopc.contracts.errors import InvalidValueError
from xopc.contracts.settings.secrets import SecretCommand, SecretsSettings


def test_a_command_is_a_program_its_arguments_and_what_it_gets() -> None:
    given = {"commands": {"openai": {"command": ["/usr/bin/pass", "show", "x"], "passEnv": ["OP_TOKEN"]}}}
    command = SecretCommand(("/usr/bin/pass", "show", "x"), timeout_seconds=10, pass_env=("OP_TOKEN",))
    assert structure(given, SecretsSettings) == SecretsSettings({"openai": command})


@pytest.mark.parametrize(
    ("commands", "path", "what"),
    [
        ({"a": {"command": []}}, "$.commands.a.command", "absolute path of a program"),
        ({"a": {"command": ["pass", "show"]}}, "$.commands.a.command", "absolute path of a program"),
        ({"a": {"command": ["~/bin/pass"]}}, "$.commands.a.command", "absolute path of a program"),
        ({"a": {"command": ["/bin/echo", "\0"]}}, "$.commands.a.command", "holds a NUL"),
        ({"a": {"command": "/bin/echo x"}}, "$.commands.a.command", "must be a list"),
        ({"a": {"command": ["/bin/echo"], "timeoutSeconds": 0}}, "$.commands.a.timeoutSeconds", "must be 0.1 to 60"),
        ({"a": {"command": ["/bin/echo"], "timeoutSeconds": 61}}, "$.commands.a.timeoutSeconds", "must be 0.1 to 60"),
        ({"a": {"command": ["/bin/echo"], "passEnv": ["A=B"]}}, "$.commands.a.passEnv", "not the name of an"),
        ({"a b": {"command": ["/bin/echo"]}}, "$.commands", "letters, digits, dots"),
        ({"": {"command": ["/bin/echo"]}}, "$.commands", "letters, digits, dots"),
    ],
)
def test_what_could_not_be_run_as_it_stands_is_refused(commands: object, path: str, what: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        structure({"commands": commands}, SecretsSettings)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert what in problem.what

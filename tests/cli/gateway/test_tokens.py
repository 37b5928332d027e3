"""`xopc gateway token create`, `list` and `revoke`."""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_main import XOPC
from tests.fakes.gateway import TOKEN, configure, running_gateway
from xopc.cli.gateway.tokens import create, list_tokens, revoke
from xopc.config.resolve import Flags, resolve
from xopc.contracts.auth import Scope
from xopc.contracts.errors import ConfigError, Failure, XopcError
from xopc.contracts.settings.access import AccessToken


def created(capsys: pytest.CaptureFixture[str], name: str = "ci", *scopes: Scope, **options: Any) -> Any:  # noqa: ANN401 - JSON
    assert create(name=name, scope=list(scopes or (Scope.READ,)), as_json=True, **options) == 0
    return json.loads(capsys.readouterr().out)


def tokens() -> tuple[AccessToken, ...]:
    return resolve(os.environ, Flags()).settings.gateway.auth.tokens


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [XOPC, "gateway", "token", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=os.environ["HOME"])


def test_the_file_gets_the_digest_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configure(home, port=4711)
    shown = created(capsys, "ci", Scope.READ, Scope.WRITE)
    assert set(shown) == {"ok", "name", "token", "scopes", "warnings"}
    token = shown["token"]
    assert token.startswith("xopc_")
    assert len(bytes.fromhex(token.removeprefix("xopc_"))) == 24
    assert tokens() == (AccessToken("ci", sha256(token.encode()).hexdigest(), (Scope.READ, Scope.WRITE)),)
    assert token not in path.read_text()
    values = json.loads(path.read_text())["gateway"]
    assert (values["port"], values["auth"]["token"]) == (4711, TOKEN)
    assert values["auth"]["tokens"][0]["scopes"] == ["operator.read", "operator.write"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_each_token_is_another_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert created(capsys, "a")["token"] != created(capsys, "b")["token"]
    assert [token.name for token in tokens()] == ["a", "b"]


def test_a_person_is_shown_it_once_and_told_how_to_take_it_back(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    assert create(name="ci", scope=[Scope.READ]) == 0
    text = capsys.readouterr().out
    assert text.startswith("🔑 Token: xopc_")
    assert "It is shown this once" in text
    assert "xopc gateway token revoke ci" in text
    assert list_tokens() == 0
    assert capsys.readouterr().out == "NAME  SCOPES\nci    operator.read\n"


def test_for_scripts_it_stands_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert create(name="ci", scope=[Scope.READ], plain=True) == 0
    shown = capsys.readouterr()
    assert sha256(shown.out.strip().encode()).hexdigest() == tokens()[0].sha256
    assert shown.err == ""


def test_a_name_in_use_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = configure(home)
    created(capsys)
    before = path.read_text()
    with pytest.raises(XopcError, match="There is a token of the name ci") as caught:
        create(name="ci", scope=[Scope.ADMIN])
    assert caught.value.failure is Failure.CONFLICT
    assert path.read_text() == before


def test_there_is_a_limit(home: Path) -> None:
    entry = {"sha256": "0" * 64, "scopes": ["operator.read"]}
    configure(home, auth={"tokens": [{"name": f"n{number}", **entry} for number in range(100)]})
    with pytest.raises(XopcError, match="as many as there may be"):
        create(name="ci", scope=[Scope.READ])


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["read"], ["operator.read"]),
        (["operator.write", "write", "admin"], ["operator.write", "operator.admin"]),
    ],
)
def test_scopes_have_short_spellings(home: Path, scopes: list[str], expected: list[str]) -> None:
    options = [word for scope in scopes for word in ("--scope", scope)]
    done = run("create", "--name", "ci", *options, "--json")
    assert json.loads(done.stdout)["scopes"] == expected


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--name", "ci", "--scope", "reed"], "'reed' is not a scope: write read, write or admin"),
        (["--name", "two words", "--scope", "read"], "must be 1 to 64 letters"),
        (["--name", "ci"], "--scope"),
        (["--scope", "read"], "--name"),
    ],
)
def test_wrong_usage_writes_nothing(home: Path, arguments: list[str], problem: str) -> None:
    done = run("create", *arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert list(home.iterdir()) == []


def test_without_a_command_the_gateways_own_token_is_printed(home: Path) -> None:
    configure(home)
    assert run("--plain").stdout == f"{TOKEN}\n"
    assert json.loads(run("--json").stdout)["token"] == TOKEN


def test_a_token_is_revoked_by_its_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    created(capsys, "a")
    created(capsys, "b")
    assert revoke("a", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "revoked": "a", "warnings": []}
    assert [token.name for token in tokens()] == ["b"]
    assert revoke("b") == 0
    assert capsys.readouterr().out == "✅ Token revoked: b\n"
    assert list_tokens() == 0
    assert capsys.readouterr().out.startswith("No tokens but the gateway's own\n")


def test_what_is_not_there_cannot_be_revoked(home: Path) -> None:
    with pytest.raises(XopcError, match="There is no token of the name ci") as caught:
        revoke("ci")
    assert caught.value.failure is Failure.NOT_FOUND
    assert list(home.iterdir()) == []
    path = configure(home)
    before = path.read_text()
    with pytest.raises(XopcError, match="There is no token of the name ci"):
        revoke("ci")
    assert path.read_text() == before


def test_a_broken_entry_can_be_revoked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, auth={"tokens": [{"name": "old", "sha256": "short"}, 5]})
    with pytest.raises(ConfigError, match="sha256"):
        list_tokens()
    assert revoke("old", as_json=True) == 0
    assert "does not validate" in json.loads(capsys.readouterr().out)["warnings"][0]


@pytest.mark.parametrize("entries", ["${TOKENS}", {"ci": {}}])
def test_tokens_that_are_no_list_are_told(home: Path, entries: object) -> None:
    path = configure(home, auth={"tokens": entries})
    before = path.read_text()
    with pytest.raises(ConfigError, match=r"\$\.gateway\.auth\.tokens: must be a list"):
        create(name="ci", scope=[Scope.READ])
    assert path.read_text() == before


def test_a_read_only_file_stays_as_it_is(home: Path) -> None:
    path = configure(home)
    path.chmod(0o400)
    with pytest.raises(XopcError, match="is read-only"):
        create(name="ci", scope=[Scope.READ])
    assert json.loads(path.read_text()) == {"gateway": {"auth": {"token": TOKEN}}}


def test_where_nobody_is_asked_that_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, auth={"mode": "none"})
    assert "Authentication is off" in created(capsys)["warnings"][0]


@pytest.mark.parametrize(
    ("reload", "text"), [({}, "within a second or so"), ({"mode": "off"}, "after: xopc gateway restart")]
)
def test_a_running_gateway_is_told_of(
    home: Path, capsys: pytest.CaptureFixture[str], reload: dict[str, str], text: str
) -> None:
    configure(home, reload=reload)
    with running_gateway(home):
        assert text in created(capsys)["warnings"][0]
        assert revoke("ci") == 0
    assert text in capsys.readouterr().err


def test_a_generated_token_leaves_the_others(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    created(capsys)
    assert run("--generate", "--plain").returncode == 0
    assert [token.name for token in tokens()] == ["ci"]

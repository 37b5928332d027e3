from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.gateway import TOKEN, configure
from xopc.cli.config.reading import file, get, validate
from xopc.contracts.errors import ConfigError


def test_a_value_is_printed_as_it_is_and_an_object_as_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home, port=18999)
    for path, printed in (
        ("gateway.port", "18999\n"),
        ("gateway.bind", "loopback\n"),
        ("gateway.customBindHost", "null\n"),
    ):
        assert get(path) == 0
        assert capsys.readouterr().out == printed
    get("gateway.reload")
    assert json.loads(capsys.readouterr().out) == {"mode": "hybrid", "debounceMs": 300}
    get("gateway.auth.mode", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"path": "gateway.auth.mode", "value": "token"}


def test_no_secret_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(home)
    get()
    out = capsys.readouterr().out
    assert json.loads(out)["gateway"]["auth"]["token"] == "***"
    assert TOKEN not in out


def test_what_would_take_over_the_terminal_is_not_printed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text(json.dumps({"channels": {"telegram": {"name": "\x1b[2J"}}}))
    get("channels.telegram.name")
    assert capsys.readouterr().out == "\N{REPLACEMENT CHARACTER}[2J\n"


def test_a_good_configuration_is_said_to_be_valid_with_its_warnings(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate() == 0
    assert capsys.readouterr().out == "✅ There is no ~/.xopc/xopc.json: the defaults are in force\n"
    configure(home, prot=1)
    assert validate() == 0
    said = capsys.readouterr()
    assert said.out == "✅ ~/.xopc/xopc.json is valid\n"
    assert said.err.startswith("⚠️  $.gateway.prot: unknown key")
    assert validate(as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["exists"], len(answer["warnings"])) == (True, True, 1)


@pytest.mark.parametrize(
    ("gateway", "what"),
    [({"port": "x"}, r"\$\.gateway\.port"), ({"tls": {"certPath": "a.pem", "keyPath": "a.key"}}, r"\$\.gateway\.tls")],
)
def test_one_that_a_start_would_refuse_is_refused(home: Path, gateway: dict[str, object], what: str) -> None:
    configure(home, **gateway)
    with pytest.raises(ConfigError, match=what):
        validate()


def test_the_file_is_named_whether_it_is_there_or_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert file() == 0
    assert capsys.readouterr().out == f"{home / '.xopc' / 'xopc.json'}\n"
    assert file(as_json=True, config=home / "mine.json") == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(home / "mine.json"), "exists": False}

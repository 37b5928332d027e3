"""`xopc onboard` and `xopc setup`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pytest

from tests.e2e.outside import Outside
from tests.fakes.scripted_terminal import Answer, ScriptedTerminal
from tests.ports import free_port
from xopc.cli.onboard import command
from xopc.cli.onboard.command import onboard, setup
from xopc.cli.onboard.ending import Ending
from xopc.cli.onboard.guide import Attended
from xopc.cli.onboard.manner import Manner
from xopc.cli.onboard.wishes import Wishes

SKIP = Wishes(skip_model=True, skip_telegram=True, service=False, port=free_port())


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> ScriptedTerminal:
    terminal = ScriptedTerminal(*answers)
    monkeypatch.setattr(command, "is_attended", lambda: True)

    def guide(_: Manner) -> Attended:
        return Attended(terminal)

    monkeypatch.setattr(Manner, "guide", guide)
    return terminal


def test_a_script_sets_up_without_a_question(
    home: Path, servers: Outside, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-invented-0123456789")
    wishes = Wishes(
        model_url=f"http://127.0.0.1:{servers.model_port}/v1",
        model_key_from_env="MY_KEY",
        port=free_port(),
        service=False,
    )
    assert setup(wishes=wishes, non_interactive=True, accept_risk=True, as_json=True) == 0
    told = capsys.readouterr().out
    assert json.loads(told)["model"] == "local/echo"
    assert "sk-invented" not in told
    config = json.loads((home / ".xopc" / "xopc.json").read_text())
    assert config["providers"] == {"local": "${MY_KEY}"}
    assert "sk-invented" not in (home / ".xopc" / "models.json").read_text()


def test_it_writes_where_it_is_told(home: Path) -> None:
    path = home / "other" / "xopc.json"
    assert onboard(wishes=SKIP, non_interactive=True, config=path) == 0
    assert "token" in path.read_text()
    assert not (home / ".xopc" / "xopc.json").exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failure_is_told_and_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    assert setup(wishes=Wishes(model="nobody/large"), non_interactive=True, as_json=as_json) == 1
    out, err = capsys.readouterr()
    assert 'No provider is called "nobody"' in (json.loads(out)["error"] if as_json else err)
    assert not (home / ".xopc").exists()


def test_a_file_that_is_not_there_is_a_failure_too(home: Path) -> None:
    with pytest.raises(FileNotFoundError):  # main tells it in a sentence
        setup(wishes=Wishes(model_key_file=home / "lacking"), non_interactive=True)


def test_without_a_terminal_the_way_without_questions_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "is_attended", lambda: False)
    assert onboard() == 2
    error = capsys.readouterr().err
    assert "xopc onboard: there is no terminal to ask at." in error
    assert "xopc setup --non-interactive" in error


def test_questions_are_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert setup(as_json=True) == 2
    assert "--json goes with --non-interactive" in capsys.readouterr().err


def test_ctrl_c_changes_nothing_and_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_a_terminal(monkeypatch, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):  # main makes 130 of it
        onboard(wishes=SKIP)
    assert capsys.readouterr().err == "\nNothing was changed.\n"
    assert not (home / ".xopc").exists()


def test_so_does_the_end_of_the_input(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_a_terminal(monkeypatch, EOFError)
    assert onboard(wishes=SKIP) == 1
    assert capsys.readouterr().err == "\nThe input ended, and nothing was changed.\n"
    assert not (home / ".xopc").exists()


def test_so_does_a_plan_that_is_not_wanted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_a_terminal(monkeypatch, "", "n")
    assert onboard(wishes=SKIP) == 0
    assert terminal.lines[-1] == "Nothing was changed."
    assert not (home / ".xopc").exists()


@pytest.mark.parametrize("ending", [KeyboardInterrupt, EOFError])
def test_after_the_writing_both_say_what_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ending: type[BaseException]
) -> None:
    def interrupted(*_: object) -> NoReturn:
        raise ending

    at_a_terminal(monkeypatch, "", "")
    monkeypatch.setattr(Ending, "reach", interrupted)
    if ending is EOFError:
        assert onboard(wishes=SKIP) == 1
    else:
        with pytest.raises(KeyboardInterrupt):
            onboard(wishes=SKIP)
    assert "What was written stays; `xopc onboard` goes on from there." in capsys.readouterr().err


def test_somebody_who_fails_at_a_terminal_learns_that_nothing_was_changed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text("{")
    at_a_terminal(monkeypatch)
    assert onboard() == 1
    assert capsys.readouterr().err.endswith("💡 Nothing was changed.\n")

"""All of the steps, one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.outside import Outside
from tests.fakes.scripted_terminal import ScriptedTerminal
from tests.fakes.telegram_server import TOKEN
from tests.ports import free_port
from xopc.cli.onboard.guide import Attended, Unattended
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.steps import make_plan
from xopc.cli.onboard.wishes import Given, Secret, Wishes
from xopc.contracts.errors import ConfigError

GATEWAY_TOKEN = "0123456789abcdef0123456789abcdef"
HEADINGS = (
    "👋 Welcome to xopc. A few questions, and your assistant answers.",
    "1. The model that answers",
    "2. The gateway, which is always there",
    "3. Telegram, if you like",
    "4. Running in the background",
    "This will be",
)


def test_from_nothing_to_a_plan(see: Callable[[], Present], servers: Outside, home: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{servers.model_port}/v1"
    terminal = ScriptedTerminal(">by its URL", url, "sk-invented", str(port), "", "y", TOKEN, "4711", "")
    wishes = Wishes(telegram_api_root=f"http://127.0.0.1:{servers.telegram_port}")
    plan = make_plan(Attended(terminal), see(), wishes, Given(), None)
    terminal.finish()
    assert plan is not None
    assert plan.model == "local/echo"
    assert plan.resolved.port == port
    assert not plan.with_service
    assert [line for line in terminal.lines if line in HEADINGS] == list(HEADINGS)
    assert "   Configuration  ~/.xopc/xopc.json (not there yet)" in terminal.lines
    assert [line for line in terminal.lines if line.startswith(" • ")] == [
        " • local/echo answers.",
        " • The key of local is written down.",
        f" • local is at {url}.",
        f" • It listens at port {port}.",
        " • A new token opens it: `xopc gateway token` prints it.",
        " • @example_bot is its bot in Telegram.",
        f" • It reaches Telegram at http://127.0.0.1:{servers.telegram_port}.",
        " • The Telegram user 4711 may write to it.",
    ]
    assert terminal.lines[-1] == "Write ~/.xopc/xopc.json and ~/.xopc/models.json [Y/n]: "
    assert "sk-invented" not in terminal.text
    assert TOKEN not in terminal.text
    assert not (home / ".xopc").exists()


def test_what_is_there_is_shown_and_kept(see: Callable[[], Present], home: Path) -> None:
    telegram = {"botToken": TOKEN, "dmPolicy": "allowlist", "allowFrom": ["1", "2"]}
    port = free_port()
    config = {
        "gateway": {"port": port, "bind": "lan", "auth": {"token": GATEWAY_TOKEN}},
        "channels": {"telegram": telegram},
    }
    (home / ".xopc").mkdir()
    (home / ".xopc" / "xopc.json").write_text(json.dumps(config))
    terminal = ScriptedTerminal("", "", "")
    plan = make_plan(Attended(terminal), see(), Wishes(skip_model=True), Given(), None)
    terminal.finish()
    assert plan is not None
    assert plan.draft.config == config
    assert plan.draft.changes == ()
    shown = {"   Model          none", f"   Gateway        port {port}, lan", "   Telegram       1 bot, for 1, 2"}
    assert shown <= set(terminal.lines)
    assert " • The files stay as they are." in terminal.lines


def test_nothing_comes_of_a_plan_that_is_not_wanted(see: Callable[[], Present], home: Path) -> None:
    terminal = ScriptedTerminal("", "", "", "n")
    assert make_plan(Attended(terminal), see(), Wishes(skip_model=True), Given(), None) is None
    assert not (home / ".xopc").exists()


@pytest.mark.parametrize("ending", [KeyboardInterrupt, EOFError])
def test_wherever_it_is_left_nothing_is_written(
    see: Callable[[], Present], home: Path, ending: type[BaseException]
) -> None:
    for answered in range(4):
        terminal = ScriptedTerminal(*[""] * answered, ending)
        with pytest.raises(ending):
            make_plan(Attended(terminal), see(), Wishes(skip_model=True), Given(), None)
        terminal.finish()
    assert not (home / ".xopc").exists()


def test_a_script_gets_a_plan_without_a_word(see: Callable[[], Present], servers: Outside) -> None:
    wishes = Wishes(model_url=f"http://127.0.0.1:{servers.model_port}/v1", port=free_port())
    token = Secret("0123456789abcdef0123456789abcdef")
    plan = make_plan(Unattended(), see(), wishes, Given(gateway_token=token), None)
    assert plan is not None
    assert plan.draft.config["gateway"] == {"port": wishes.port, "auth": {"token": token.text}}


def test_a_token_that_a_start_would_refuse_is_refused_here(see: Callable[[], Present]) -> None:
    wishes = Wishes(skip_model=True, port=free_port())
    with pytest.raises(ConfigError, match=r"\$\.gateway\.auth\.token"):
        make_plan(Unattended(), see(), wishes, Given(gateway_token=Secret("short")), None)

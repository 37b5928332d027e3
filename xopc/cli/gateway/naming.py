"""How a gateway is named to another command: by its profile, where it has one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from xopc.config.paths import CONFIG_NAME, resolve_paths
from xopc.config.profile import VARIABLE, wrong_name
from xopc.contracts.errors import ConfigError
from xopc_supervisor.contract import Launch

STATE_VARIABLE = "XOPC_STATE_DIR"
_PREFIX = ".xopc-"


def command_for(launch: Launch, words: str, environ: Mapping[str, str]) -> str:
    """A command for the gateway that was started so, as it is typed in this shell.

    The name of a configuration alone is not enough: its lock, and all else, stands in its state directory.
    """
    state, config = Path(launch.state_dir), Path(launch.config_path)
    option = "" if config == state / CONFIG_NAME else f" --config {shlex.quote(str(config))}"
    return f"{_program(state, environ)} {words}{option}"


def _program(state: Path, environ: Mapping[str, str]) -> str:
    names = {name: value for name, value in environ.items() if name not in {VARIABLE, STATE_VARIABLE}}
    profile = state.name.removeprefix(_PREFIX) if state.name.startswith(_PREFIX) else "default"
    try:
        by_profile = resolve_paths({**names, VARIABLE: profile}).state_dir if wrong_name(profile) is None else None
    except ConfigError:
        by_profile = None
    if by_profile != state or environ.get(STATE_VARIABLE):
        return f"{STATE_VARIABLE}={shlex.quote(str(state))} xopc"
    return "xopc" if profile == "default" and not environ.get(VARIABLE) else f"xopc --profile {profile}"

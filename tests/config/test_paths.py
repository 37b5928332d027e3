from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from xopc.config.paths import from_home, resolve_paths
from xopc.contracts.errors import ConfigError
from xopc_supervisor import contract


def test_everything_stands_below_the_state_directory_by_default(tmp_path: Path) -> None:
    paths = resolve_paths({"HOME": str(tmp_path)})
    state = tmp_path / ".xopc"
    assert paths.state_dir == state
    assert paths.config_path == state / "xopc.json"
    assert paths.lock_path == Path(contract.lock_path(str(state), str(state / "xopc.json")))
    assert paths.intent_path == state / "gateway-restart-intent.json"
    assert paths.log_dir == state / "logs"
    assert paths.database == state / "xopc.db"
    assert paths.workspace == state / "workspace"
    assert paths.models == state / "models.json"
    assert paths.accepted == state / "accepted" / f"{contract.config_hash(str(state / 'xopc.json'))}.json"
    assert paths.served_certificate == paths.accepted.with_suffix(".pem")
    assert list(tmp_path.iterdir()) == []


def test_a_home_of_its_own_outranks_the_user_s(tmp_path: Path) -> None:
    paths = resolve_paths({"HOME": "/home/user", "XOPC_HOME": str(tmp_path)})
    assert paths.state_dir == tmp_path / ".xopc"


def test_a_tilde_in_xopc_home_is_the_user_s_home() -> None:
    assert resolve_paths({"HOME": "/home/user", "XOPC_HOME": "~/box"}).state_dir == Path("/home/user/box/.xopc")


@pytest.mark.parametrize("profile", ["", "  ", "default", "Default"])
def test_the_default_profile_changes_nothing(tmp_path: Path, profile: str) -> None:
    assert resolve_paths({"HOME": str(tmp_path), "XOPC_PROFILE": profile}).state_dir == tmp_path / ".xopc"


def test_a_profile_has_its_own_state_directory(tmp_path: Path) -> None:
    paths = resolve_paths({"HOME": str(tmp_path), "XOPC_PROFILE": "work"})
    assert paths.state_dir == tmp_path / ".xopc-work"
    assert paths.config_path == tmp_path / ".xopc-work" / "xopc.json"


@pytest.mark.parametrize("profile", ["../evil", "a/b", ".hidden", "with blank", "x" * 65, "line\nbreak"])
def test_a_profile_that_is_no_plain_name_is_refused(tmp_path: Path, profile: str) -> None:
    with pytest.raises(ConfigError, match="XOPC_PROFILE: is not the name of a profile") as caught:
        resolve_paths({"HOME": str(tmp_path), "XOPC_PROFILE": profile})
    assert caught.value.source == "environment"


def test_a_state_directory_outranks_home_and_profile(tmp_path: Path) -> None:
    environ = {"HOME": "/home/user", "XOPC_HOME": "/other", "XOPC_PROFILE": "work", "XOPC_STATE_DIR": str(tmp_path)}
    assert resolve_paths(environ).state_dir == tmp_path
    assert resolve_paths(environ).database == tmp_path / "xopc.db"


def test_xopc_config_path_outranks_xopc_config(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XOPC_CONFIG": "/etc/b.json", "XOPC_CONFIG_PATH": "/etc/a.json"}
    assert resolve_paths(environ).config_path == Path("/etc/a.json")
    assert resolve_paths({**environ, "XOPC_CONFIG_PATH": ""}).config_path == Path("/etc/b.json")


def test_another_configuration_has_its_own_lock_and_database_in_the_same_state_directory(tmp_path: Path) -> None:
    ours = resolve_paths({"HOME": str(tmp_path)})
    other = resolve_paths({"HOME": str(tmp_path), "XOPC_CONFIG_PATH": "/etc/other.json"})
    assert other.state_dir == ours.state_dir
    assert other.lock_path != ours.lock_path
    assert other.database == ours.state_dir / "db" / f"{contract.config_hash('/etc/other.json')}.db"


def test_the_default_configuration_by_another_name_is_the_default_one(tmp_path: Path) -> None:
    (tmp_path / ".xopc").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / ".xopc")
    default = resolve_paths({"HOME": str(tmp_path)})
    linked = resolve_paths({"HOME": str(tmp_path), "XOPC_CONFIG_PATH": str(tmp_path / "link" / "xopc.json")})
    assert linked.database == default.database
    assert linked.lock_path == default.lock_path


def test_logs_and_workspace_can_stand_elsewhere(tmp_path: Path) -> None:
    paths = resolve_paths(
        {
            "HOME": str(tmp_path),
            "XOPC_LOG_DIR": "/var/log/xopc",
            "XOPC_WORKSPACE": "~/desk",
            "XOPC_MODELS_JSON": "~/brains.json",
        }
    )
    assert paths.log_dir == Path("/var/log/xopc")
    assert paths.workspace == tmp_path / "desk"
    assert paths.models == tmp_path / "brains.json"


@pytest.mark.parametrize(("text", "expected"), [("~", "."), ("~/a", "a"), ("~//a", "a"), (" ~/a ", "a")])
def test_a_tilde_is_the_home_in_force(tmp_path: Path, text: str, expected: str) -> None:
    environ = {"HOME": "/home/user", "XOPC_HOME": str(tmp_path), "XOPC_STATE_DIR": text}
    assert resolve_paths(environ).state_dir == tmp_path / expected


def test_a_tilde_with_the_name_of_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="XOPC_STATE_DIR: names the home of a user that does not exist"):
        resolve_paths({"HOME": str(tmp_path), "XOPC_STATE_DIR": "~no-such-user/x"})


def test_without_home_in_the_environment_the_user_s_own_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert resolve_paths({"HOME": ""}).state_dir == tmp_path / ".xopc"


def test_a_user_without_a_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(ConfigError, match="HOME: is not set, and the user has no other: set it"):
        resolve_paths({})


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = resolve_paths({"HOME": "/home/user", "XOPC_STATE_DIR": "state", "XOPC_CONFIG_PATH": "./mine.json"})
    assert paths.state_dir == tmp_path / "state"
    assert paths.config_path == tmp_path / "mine.json"


def test_a_path_in_the_home_is_shown_as_a_person_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_home(tmp_path / ".xopc" / "xopc.json") == "~/.xopc/xopc.json"
    assert from_home(Path("/etc/xopc.json")) == "/etc/xopc.json"


def test_a_file_name_that_is_not_unicode_has_a_lock(tmp_path: Path) -> None:
    paths = resolve_paths({"HOME": str(tmp_path), "XOPC_CONFIG_PATH": "/etc/caf\udce9.json"})
    assert paths.lock_path.parent == tmp_path / ".xopc" / "locks"


async def test_the_paths_are_known_without_the_weight_of_reading_the_file() -> None:
    code = "import sys, xopc.config.paths; print(*sys.modules)"
    process = await trio.run_process([sys.executable, "-c", code], capture_stdout=True)
    assert not {"cattrs", "json5", "psutil"} & set(process.stdout.decode().split())

"""From the configuration in force to a service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import xopc
from xopc.config.resolve import Flags, resolve
from xopc.service.installations.program import stable_program
from xopc.service.managers.base import Definition
from xopc.service.managers.define import define, kept_secrets, search_path

TOKEN = "0123456789abcdef0123456789abcdef"


NO_FLAGS = Flags()


def defined(home: Path, flags: Flags = NO_FLAGS, more: Mapping[str, str] = MappingProxyType({})) -> Definition:
    environ = {"HOME": str(home), **more}
    return define(resolve(environ, flags), environ, "systemd", "xopc-gateway")


def configured(home: Path, **document: object) -> Path:
    path = home / ".xopc" / "xopc.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}, **document}))
    return path


def test_what_is_run_is_the_gateway_in_the_foreground(home: Path) -> None:
    path = configured(home)
    found = defined(home)
    assert found.arguments == (*stable_program(), "gateway", "--foreground", "--port", "18790")
    assert Path(found.arguments[0]).is_absolute()
    assert found.working_directory == path.parent
    assert found.description == f"xopc Gateway (v{xopc.__version__})"


def test_row_065_the_port_is_that_of_the_command_line_or_else_of_the_file(home: Path) -> None:
    configured(home, gateway={"port": 4711, "auth": {"token": TOKEN}})
    assert defined(home).arguments[-2:] == ("--port", "4711")
    assert defined(home, Flags(port=8080)).arguments[-2:] == ("--port", "8080")


def test_where_to_listen_is_fixed_only_when_it_was_told(home: Path) -> None:
    configured(home, gateway={"bind": "lan", "auth": {"token": TOKEN}})
    assert "--bind" not in defined(home).arguments, "the file may be mended later"
    assert "--bind" not in defined(home, Flags(bind="lan")).arguments, "the file says the same"
    assert defined(home, Flags(bind="loopback")).arguments[-2:] == ("--bind", "loopback")


def test_a_port_that_was_told_is_marked_where_the_file_says_another(home: Path) -> None:
    configured(home, gateway={"port": 8080, "auth": {"token": TOKEN}})
    assert defined(home, Flags(port=7070)).environment["XOPC_SERVICE_PORT"] == "7070"
    assert "XOPC_SERVICE_PORT" not in defined(home, Flags(port=8080)).environment


def test_what_a_service_knows(home: Path) -> None:
    configured(home)
    state = home / ".xopc"
    known = dict(defined(home).environment)
    assert known.pop("PATH").endswith("/usr/bin:/bin")
    assert known == {
        "HOME": str(home),
        "XOPC_CONFIG_PATH": str(state / "xopc.json"),
        "XOPC_LOG_DIR": str(state / "logs"),
        "XOPC_LOG_LEVEL": "info",
        "XOPC_LOG_FILE": "true",
        "XOPC_LOG_CONSOLE": "false",
        "XOPC_SERVICE_MARKER": "systemd",
        "XOPC_SERVICE_VERSION": xopc.__version__,
        "XOPC_SERVICE_SECRETS": str(state / "service" / "xopc-gateway.env"),
    }


def test_a_service_is_what_the_command_saw(home: Path) -> None:
    state = home / "elsewhere"
    more = {
        "XOPC_PROFILE": "rescue",
        "XOPC_STATE_DIR": str(state),
        "XOPC_WORKSPACE": "~/notes",
        "XOPC_LOG_LEVEL": "debug",
        "XOPC_GATEWAY_STRICT_SECURITY": "1",
        "LANG": "de_DE.UTF-8",
        "TZ": "",
    }
    found = defined(home, more={"XOPC_GATEWAY_TOKEN": TOKEN, **more})
    expected = {**more, "XOPC_WORKSPACE": str(home / "notes")}
    assert {name: found.environment.get(name, "") for name in more} == expected
    assert "TZ" not in found.environment
    assert found.description == f"xopc Gateway (profile: rescue, v{xopc.__version__})"
    assert found.secrets_path == state / "service" / "xopc-gateway.env"


def test_a_home_of_its_own_is_absolute(home: Path) -> None:
    assert defined(home, more={"XOPC_HOME": "~/other"}).environment["XOPC_HOME"] == str(home / "other")


def test_row_066_the_token_in_force_is_a_secret(home: Path) -> None:
    configured(home)
    assert defined(home).secrets == {"XOPC_GATEWAY_TOKEN": TOKEN}
    other = "f" * 16 + TOKEN
    assert defined(home, Flags(token=other)).secrets == {"XOPC_GATEWAY_TOKEN": other}
    assert other not in repr(defined(home, Flags(token=other)))


def test_a_password_is_a_secret_and_stays_where_the_file_has_it(home: Path) -> None:
    configured(home, gateway={"auth": {"mode": "password", "password": "correct horse"}})
    assert defined(home).secrets == {}
    configured(home, gateway={"auth": {"mode": "password"}})
    found = defined(home, more={"XOPC_GATEWAY_PASSWORD": "correct horse"})
    assert found.secrets == {"XOPC_GATEWAY_PASSWORD": "correct horse"}


def test_keys_and_what_files_refer_to_are_secrets(home: Path) -> None:
    configured(home, channels={"telegram": {"botToken": "${BOT}"}}, providers={"openai": "${MY_KEY:-none}"})
    models = {"providers": {"box": {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "BOX_SECRET"}}}
    (home / ".xopc" / "models.json").write_text(json.dumps(models))
    given = {
        "OPENAI_API_KEY": "sk-1",
        "BOT": "1:a",
        "MY_KEY": "k",
        "BOX_SECRET": "b",
        "HTTPS_PROXY": "http://amy:pw@proxy.example.com",
    }
    found = defined(home, more={**given, "UNRELATED": "no", "EMPTY_API_KEY": ""})
    assert found.secrets == {**given, "XOPC_GATEWAY_TOKEN": TOKEN}
    assert not given.items() & found.environment.items()


def test_what_another_shell_knew_is_kept_until_it_is_emptied(home: Path) -> None:
    configured(home, channels={"telegram": {"botToken": "${BOT}"}})
    paths = resolve({"HOME": str(home), "BOT": "1:a"}, Flags()).paths
    before = {"OPENAI_API_KEY": "sk-1", "OLD_API_KEY": "o", "BOT": "1:a", "GONE": "x", "XOPC_GATEWAY_TOKEN": "old"}
    assert kept_secrets(before, paths, {"OLD_API_KEY": ""}) == {"OPENAI_API_KEY": "sk-1", "BOT": "1:a"}


def test_tools_are_looked_for_where_the_user_has_them(home: Path) -> None:
    (home / ".local" / "bin").mkdir(parents=True)
    (home / "venv").mkdir()
    found = search_path({"HOME": str(home)}, str(home / "venv" / "xopc"))
    assert found[:2] == (str(home / "venv"), str(home / ".local" / "bin"))
    assert str(home / "bin") not in found
    assert found[-2:] == ("/usr/bin", "/bin")


def test_a_token_that_is_kept_elsewhere_is_looked_up_by_the_service_itself(home: Path) -> None:
    kept = configured(home, gateway={"auth": {"token": "${file:token}"}}).with_name("token")
    kept.write_text(TOKEN)
    kept.chmod(0o600)
    assert defined(home, more={"file": "no reference"}).secrets == {}
    assert dict(defined(home, Flags(token="another-" + TOKEN)).secrets) == {"XOPC_GATEWAY_TOKEN": "another-" + TOKEN}


def test_what_programs_that_tell_secrets_are_given_is_known_to_the_service(home: Path) -> None:
    commands = {"a": {"command": ["/usr/bin/op"], "passEnv": ["OP_SERVICE_ACCOUNT_TOKEN", "OTHER"]}}
    configured(home, secrets={"commands": commands})
    assert defined(home, more={"OP_SERVICE_ACCOUNT_TOKEN": "an-invented-one"}).secrets == {
        "OP_SERVICE_ACCOUNT_TOKEN": "an-invented-one",
        "XOPC_GATEWAY_TOKEN": TOKEN,
    }

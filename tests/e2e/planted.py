"""Faults as they come about, planted in a home where all is well: each with the code that the doctor has for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.e2e.harness import TOKEN, run_xopc, write_config
from tests.fakes.certificates import Authority
from tests.fakes.gateway import stranger
from tests.fakes.service_managers import FakeManagers
from xopc.storage.migrate import prepare

OTHER_TOKEN = "another-token-of-quite-some-length"


@frozen
class Scene:
    """A home with a configuration, and a service that fits it."""

    home: Path
    managers: FakeManagers
    port: int
    environ: dict[str, str] = field(factory=dict[str, str])
    """What the doctor gets besides."""
    rubbish: list[Path] = field(factory=list[Path])
    """Directories outside of the home, to be removed."""

    @property
    def state(self) -> Path:
        return self.home / ".xopc"

    @property
    def config(self) -> Path:
        return self.state / "xopc.json"

    @property
    def unit(self) -> Path:
        return self.home / ".config" / "systemd" / "user" / "xopc-gateway.service"

    @property
    def secrets(self) -> Path:
        return self.state / "service" / "xopc-gateway.env"

    def configure(self, **gateway: object) -> None:
        write_config(self.home, {"gateway": {"port": self.port, "auth": {"token": TOKEN}, **gateway}})

    def edit_unit(self, pattern: str, text: str) -> None:
        changed, count = re.subn(pattern, text, self.unit.read_text(), flags=re.MULTILINE)
        assert count, f"the unit has no {pattern}"
        self.unit.write_text(changed)

    def xopc(self, *args: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **self.managers.environ, "XOPC_HOME": str(self.home), **self.environ}
        return run_xopc(*args, environ=environ, cwd=self.home)

    def doctor(self, *options: str) -> Any:  # noqa: ANN401 - JSON
        """What the doctor says to programs."""
        done = self.xopc("doctor", "--json", *options)
        assert done.stderr == ""
        return json.loads(done.stdout)

    def faults(self, *options: str) -> list[Any]:
        return [fault for check in self.doctor(*options)["checks"] for fault in check["faults"]]


@contextmanager
def well(home: Path) -> Generator[Scene]:
    """A scene where nothing is wrong: its service was installed by the real command."""
    with stranger(home) as process:
        port = process.port
    with FakeManagers(home) as managers:
        scene = Scene(home, managers, port)
        scene.configure()
        scene.state.chmod(0o700)
        installed = scene.xopc("gateway", "service", "install")
        assert installed.returncode == 0, installed.stderr + installed.stdout
        yield scene
        for directory in scene.rubbish:
            shutil.rmtree(directory)


@frozen
class Plant:
    """A fault: how it comes about, and what the doctor says of it."""

    name: str
    code: str
    plant: Callable[[Scene], None]
    is_fixed: bool = False
    """Whether `--fix` mends it."""
    words: str = ""
    """What has to stand in what is told."""


def _set_gateway(**gateway: object) -> Callable[[Scene], None]:
    return lambda scene: scene.configure(**gateway)


def _edit(pattern: str, text: str) -> Callable[[Scene], None]:
    return lambda scene: scene.edit_unit(pattern, text)


def _chmod(name: str, mode: int) -> Callable[[Scene], None]:
    return lambda scene: (scene.home / name).chmod(mode)


def _write(name: str, text: str, mode: int = 0o600) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        path = scene.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    return plant


def _config_is_a_directory(scene: Scene) -> None:
    scene.config.unlink()
    scene.config.mkdir(mode=0o700)


def _damaged_database(scene: Scene) -> None:
    path = scene.state / "xopc.db"
    prepare(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def _newer_database(scene: Scene) -> None:
    path = scene.state / "xopc.db"
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9999")


def _full_disk(scene: Scene) -> None:
    """Python imports a module of this name at its start: here, one that sees a disk with little room."""
    module = scene.home / "hooks" / "sitecustomize.py"
    module.parent.mkdir()
    module.write_text(
        "import os\n_real = os.statvfs\n"
        "def _statvfs(path):\n"
        "    found = list(_real(path))\n"
        "    found[3] = found[4] = 10  # free blocks\n"
        "    return os.statvfs_result(found)\n"
        "os.statvfs = _statvfs\n"
    )
    scene.environ["PYTHONPATH"] = str(module.parent)


def _clock_behind(scene: Scene) -> None:
    log = scene.state / "logs" / "app-2026-11-20.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.touch(mode=0o600)
    ahead = time.time() + 86_400
    os.utime(log, (ahead, ahead))


def _logs_read_only(scene: Scene) -> None:
    logs = scene.state / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    logs.chmod(0o500)


def _expired_certificate(scene: Scene) -> None:
    scene.configure(tls=Authority(scene.home).issue(days=-1).settings())


def _program(scene: Scene, path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    scene.edit_unit(r"^ExecStart=\S+", f"ExecStart={path}")


def _lost_interpreter(scene: Scene) -> None:
    _program(scene, scene.home / "bin" / "xopc", "#!/gone/with/its/environment/bin/python\n")


def _temporary_program(scene: Scene) -> None:
    directory = Path(tempfile.mkdtemp(prefix="xopc-planted-"))
    scene.rubbish.append(directory)
    _program(scene, directory / "xopc", f"#!{sys.executable}\n")


def _second_unit(scene: Scene) -> None:
    unit = scene.unit.with_name("my-assistant.service")
    unit.write_text(f"[Service]\nExecStart=/usr/bin/xopc gateway\nEnvironment=XOPC_HOME={scene.home}\n")
    wants = unit.parent / "default.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / unit.name).symlink_to(unit)


def _cron_line(scene: Scene) -> None:
    tool = scene.managers.bin / "crontab"
    tool.write_text(f"#!/bin/sh\necho '@reboot XOPC_HOME={scene.home} xopc gateway'\n")
    tool.chmod(0o755)


def _no_linger(scene: Scene) -> None:
    subprocess.run(
        [scene.managers.bin / "loginctl", "disable-linger", _user()], env=dict(scene.managers.environ), check=True
    )


def _user() -> str:
    import getpass

    return getpass.getuser()


def _refused_start(scene: Scene) -> None:
    scene.managers.adopt("user:xopc-gateway.service", None, exit_status=78)


INTENT = {"kind": "gateway-restart", "pid": 4100, "bootId": None, "mode": "in-process", "reason": "?", "createdAt": 1}
PLANTS = (
    Plant("a configuration that is no JSON", "config.invalid", _write(".xopc/xopc.json", "{")),
    Plant("a value of the wrong kind", "config.invalid", _set_gateway(port="many"), words="$.gateway.port"),
    Plant(
        "a reference to a variable that is not set",
        "config.invalid",
        _set_gateway(auth={"token": "${NO_SUCH_VARIABLE}"}),
        words="NO_SUCH_VARIABLE",
    ),
    Plant("a directory in the place of the configuration", "config.invalid", _config_is_a_directory),
    Plant("a placeholder for a token", "config.invalid", _set_gateway(auth={"token": "changeme"}), words="token"),
    Plant("an unknown key", "config.warning", _set_gateway(prot=1), words="prot"),
    Plant("authentication that is off", "gateway.auth.none_loopback", _set_gateway(auth={"mode": "none"})),
    Plant(
        "no token on a network",
        "gateway.auth.missing_token_on_network",
        _set_gateway(bind="lan", auth={"mode": "token"}),
        is_fixed=True,
    ),
    Plant("a certificate that has expired", "tls.expired", _expired_certificate),
    Plant("a readable configuration", "files.permissions", _chmod(".xopc/xopc.json", 0o644), is_fixed=True),
    Plant("a readable state directory", "files.permissions", _chmod(".xopc", 0o755), is_fixed=True),
    Plant(
        "a readable .env", "files.permissions", _write(".env", f"OPENAI_API_KEY={OTHER_TOKEN}", 0o644), is_fixed=True
    ),
    Plant("a file in the place of the logs", "files.no-directory", _write(".xopc/logs", "")),
    Plant("logs that cannot be written to", "files.not-writable", _logs_read_only),
    Plant(
        "a restart that nobody took",
        "files.stale-intent",
        _write(".xopc/gateway-restart-intent.json", json.dumps(INTENT)),
        is_fixed=True,
    ),
    Plant(
        "a pid file of an old version", "gateway.legacy-pid-file", _write(".xopc/gateway.pid", "4100\n"), is_fixed=True
    ),
    Plant("a damaged database", "storage.damaged", _damaged_database),
    Plant("a text in the place of the database", "storage.damaged", _write(".xopc/xopc.db", "no database" * 1000)),
    Plant("the database of a newer version", "storage.newer-schema", _newer_database),
    Plant("a disk that is nearly full", "storage.disk-low", _full_disk),
    Plant("a clock that was set back", "clock.behind", _clock_behind),
    Plant(
        "another token in the configuration",
        "service.token-drift",
        _set_gateway(auth={"token": OTHER_TOKEN}),
        is_fixed=True,
    ),
    Plant(
        "a service of another version",
        "service.version-mismatch",
        _edit(r"XOPC_SERVICE_VERSION=[0-9.]+", "XOPC_SERVICE_VERSION=0.0.9"),
        is_fixed=True,
    ),
    Plant(
        "a program that was removed",
        "service.missing-program",
        _edit(r"^ExecStart=\S+", "ExecStart=/gone/bin/xopc"),
        is_fixed=True,
    ),
    Plant("an interpreter that was removed", "service.interpreter-gone", _lost_interpreter, is_fixed=True),
    Plant("a program in a temporary place", "service.temporary-program", _temporary_program, is_fixed=True),
    Plant("another port of the service", "service.port-mismatch", _edit(r"--port \d+", "--port 1"), is_fixed=True),
    Plant(
        "a unit that repeats what cannot be mended",
        "service.systemd-restart-prevent-exit-status",
        _edit(r"^RestartPreventExitStatus=.*\n", ""),
        is_fixed=True,
    ),
    Plant(
        "a unit that gives up", "service.systemd-start-limit", _edit(r"^StartLimitIntervalSec=.*\n", ""), is_fixed=True
    ),
    Plant("a unit without a watchdog", "service.systemd-watchdog", _edit(r"^WatchdogSec=.*\n", ""), is_fixed=True),
    Plant(
        "a secret in the unit",
        "service.secret-embedded",
        _edit(r"^\[Service\]$", f"[Service]\nEnvironment=OPENAI_API_KEY={OTHER_TOKEN}"),
        is_fixed=True,
        words="OPENAI_API_KEY",
    ),
    Plant(
        "readable secrets of the service",
        "service.secrets-file-readable",
        _chmod(".xopc/service/xopc-gateway.env", 0o644),
        is_fixed=True,
    ),
    Plant(
        "lost secrets of the service",
        "service.secrets-file-missing",
        lambda scene: scene.secrets.unlink(),
        is_fixed=True,
    ),
    Plant(
        "a service of another configuration",
        "service.config-mismatch",
        _edit(r"XOPC_CONFIG_PATH=[^\s\"]+", "XOPC_CONFIG_PATH=/srv/other.json"),
        words="/srv/other.json",
    ),
    Plant("a second unit", "service.other-starter", _second_unit, words="my-assistant.service"),
    Plant("a line of cron", "service.other-starter", _cron_line, words="@reboot"),
    Plant("a service that ends with the login", "service.no-linger", _no_linger, is_fixed=True),
    Plant("a service that refused its configuration", "service.service-failed", _refused_start),
)


def as_mapping() -> Mapping[str, Plant]:
    """By name; each has its own."""
    found = {plant.name: plant for plant in PLANTS}
    assert len(found) == len(PLANTS)
    return found

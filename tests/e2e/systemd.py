"""A real `systemd --user` of the test's own, in namespaces of its own: nothing of it outlives the test.

Needs root on Linux, systemd and util-linux. There are no journal and no bus in there, and none is needed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.harness import XOPC, until

SYSTEMD = "/lib/systemd/systemd"
NAMESPACES = ("unshare", "--mount", "--propagation", "private")
# The parent's end is the end of the process that made the namespace of processes, and with it of all in there.
CONTAINED = ("setpriv", "--pdeathsig", "KILL", *NAMESPACES, "--pid", "--fork", "--kill-child=KILL", "--mount-proc")

# sd_booted(3) asks for /run/systemd/system; without it `systemd --user` does not start. The script is process 1, which
# systemd as a user's manager must not be.
# Shared among its own namespaces: systemd mounts a unit's credentials in one and expects them in the others.
BOOT = f"""
set -e
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
umount --lazy --recursive /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
(
  sh -c 'echo $PPID' >"/sys/fs/cgroup/$1/cgroup.procs"
  exec {SYSTEMD} --user --log-target=console --log-level=info
) &
wait
"""
REMOVE_GROUP = """
umount --lazy --recursive /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for _ in $(seq 100); do
  [ -d "/sys/fs/cgroup/$1" ] || exit 0
  find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} \\; 2>/dev/null || true
  sleep 0.1
done
exit 1
"""

SERVICE = """
[Unit]
Description=xopc gateway
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={xopc} gateway
Environment=XOPC_SERVICE_MARKER=systemd {environ}
WorkingDirectory={home}
StandardOutput=append:{home}/output
StandardError=inherit
Restart=always
RestartSec=100ms
RestartPreventExitStatus=78
KillMode=mixed
TimeoutStopSec=20
TimeoutAbortSec=5
WatchdogSec={watchdog}
FileDescriptorStoreMax=8
"""


class UserManager:
    """The running manager."""

    def __init__(self, directory: Path, environ: Mapping[str, str], pid: int) -> None:
        """`pid` made its namespaces."""
        self.units = directory / "config" / "systemd" / "user"
        self._enter = ("nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--pid=/proc/{pid}/ns/pid_for_children")
        self.units.mkdir(parents=True)
        self._environ = environ

    def install(self, unit: str, text: str) -> None:
        """Write a unit's file, and let the manager read it."""
        (self.units / unit).write_text(text)
        self.systemctl("daemon-reload")

    def run(self, home: Path, *words: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `xopc` as the user of this manager, whose home is `home`, to its end."""
        done = subprocess.run(
            [*self._enter, XOPC, *words],
            env={**self._of(home), **environ},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"xopc {' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    def command(self, home: Path, *words: str | Path) -> tuple[list[str | Path], dict[str, str]]:
        """What runs a program as the user of this manager, and in which environment."""
        return [*self._enter, *words], self._of(home)

    @contextmanager
    def started(self, home: Path, *words: str) -> Generator[subprocess.Popen[bytes]]:
        """`xopc` as the user of this manager, until the end of the block."""
        command = [*self._enter, XOPC, *words]
        process = subprocess.Popen(command, env=self._of(home), cwd=home, stdout=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    def _of(self, home: Path) -> dict[str, str]:
        """The environment of its user."""
        return {**self._environ, "HOME": str(home), "XOPC_HOME": str(home)}

    def environ_of(self, unit: str) -> dict[str, str]:
        """What the main process of a unit was started with."""
        path = f"/proc/{self.show(unit, 'MainPID')}/environ"
        text = subprocess.run([*self._enter, "cat", path], capture_output=True, timeout=10, check=True).stdout
        return dict(os.fsdecode(pair).split("=", 1) for pair in text.split(b"\0") if b"=" in pair)

    def systemctl(self, *words: str) -> str:
        """Run `systemctl --user`; what it says is in the error when it fails."""
        done = subprocess.run(
            [*self._enter, "systemctl", "--user", "--no-pager", *words],
            env=dict(self._environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"systemctl --user {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value").strip()

    def kill(self, unit: str, number: signal.Signals) -> None:
        """Send a signal to the main process alone."""
        self.systemctl("kill", "--kill-who=main", f"--signal={number.name}", unit)


class Unit:
    """One unit of a manager."""

    def __init__(self, manager: UserManager, name: str) -> None:
        self.manager = manager
        self.unit = f"{name}.service"

    def show(self, name: str) -> str:
        return self.manager.show(self.unit, name)

    def is_another_than(self, pid: str) -> bool:
        """Whether it is ready with another supervisor."""
        return self.show("ActiveState") == "active" and self.show("MainPID") not in ("0", pid)

    def kill_supervisor(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal the supervisor, and return when its successor is ready."""
        before = self.show("MainPID")
        self.manager.kill(self.unit, number)
        until(lambda: self.is_another_than(before), "systemd has started it again")


class Service(Unit):
    """`xopc gateway` in a home, as a unit of the test's own."""

    def __init__(
        self, manager: UserManager, home: Path, unit: str = "xopc-gateway", watchdog: str = "30s", more: str = ""
    ) -> None:
        """`more` are further lines of its section."""
        super().__init__(manager, unit)
        self.home = home
        environ = {"XOPC_HOME": home, "HOME": home, "PATH": os.environ["PATH"]}
        if "PYTHONPATH" in os.environ:
            environ["PYTHONPATH"] = Path(os.environ["PYTHONPATH"])
        shown = " ".join(f'"{name}={value}"' for name, value in environ.items())
        text = SERVICE.format(xopc=XOPC, environ=shown, home=home, watchdog=watchdog)
        manager.install(self.unit, f"{text}{more}\n")

    @property
    def output(self) -> str:
        path = self.home / "output"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        """Returns when it is ready."""
        self.manager.systemctl("start", self.unit)

    def restart(self) -> None:
        """As its user does, and returns when it is ready again."""
        self.manager.systemctl("restart", self.unit)


@contextmanager
def user_manager() -> Generator[UserManager]:
    """A manager without units of its own, for as long as the block runs."""
    # A short path: the manager's sockets are in it, and their names have 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="xopc-", dir="/tmp"))
    group = f"xopc-test-{os.getpid()}-{directory.name}"
    environ = {
        "HOME": str(directory),
        "PATH": os.environ["PATH"],
        "XDG_CONFIG_HOME": str(directory / "config"),
        "XDG_RUNTIME_DIR": str(directory / "run"),
    }
    with (directory / "log").open("w") as log:
        namespace = subprocess.Popen(
            [*CONTAINED, "sh", "-c", BOOT, "sh", group],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        private = directory / "run" / "systemd" / "private"
        until(lambda: private.is_socket() or namespace.poll() is not None, "systemd --user is up")
        assert namespace.poll() is None, (directory / "log").read_text()
        yield UserManager(directory, environ, namespace.pid)
    finally:
        namespace.kill()
        namespace.wait(10)
        subprocess.run([*NAMESPACES, "sh", "-c", REMOVE_GROUP, "sh", group], check=True, timeout=20)
        shutil.rmtree(directory)

"""A machine of the test's own that a real systemd has booted as process 1, with a person on it who calls `sudo`.

Needs root on Linux, systemd and util-linux. All that its systemd may write to is in memory and its own: its root is a
tmpfs with this machine's `/usr`, the sources and their Python, read-only, and copies of a few files of `/etc`. So it
starts, clears and mounts what it likes, and nothing of it is left. It shares the network, so that tests can ask at its
ports, has none of this machine's services, and lacks the capabilities that reach beyond its namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.checks.repository import ROOT
from tests.e2e.harness import XOPC, until
from tests.e2e.systemd import NAMESPACES, REMOVE_GROUP, SYSTEMD

USER, UID = "amy", 4711
CONTAINED = (*NAMESPACES, "--uts", "--ipc", "--pid", "--fork", "--kill-child=KILL")
"""Its end is the end of the process that made the namespaces."""
LACKS = (
    "sys_time", "sys_module", "sys_boot", "sys_rawio", "syslog", "mknod", "net_admin", "wake_alarm",
    "mac_admin", "mac_override", "audit_control", "audit_read",
)  # fmt: skip
ETC = (
    "alternatives", "dbus-1", "group", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "login.defs",
    "nsswitch.conf", "os-release", "pam.d", "passwd", "resolv.conf", "security",
)  # fmt: skip
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The script is process 1 until it becomes systemd, which finds all that it would mount in its place. In the end shared
# among its own namespaces: systemd mounts a unit's credentials in one and expects them in the others.
BOOT = f"""
set -e
group=$1 root=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir dev etc home old proc root run sys tmp usr var var/tmp
chmod 1777 tmp var/tmp
show() {{ mkdir -p "$root$1"; mount --bind "$1" "$root$1"; mount -o remount,bind,ro "$root$1"; }}
show /usr
for link in bin sbin lib lib64; do
  if [ -L "/$link" ]; then cp -P "/$link" .; elif [ -d "/$link" ]; then show "/$link"; fi
done
for one in "$@"; do show "$one"; done
for one in {" ".join(ETC)}; do [ ! -e "/etc/$one" ] || cp -a "/etc/$one" etc; done
mkdir -p etc/systemd/system
echo {"0017" * 8} >etc/machine-id
echo "{USER}:x:{UID}:{UID}::/home/{USER}:/bin/sh" >>etc/passwd
echo "{USER}:x:{UID}:" >>etc/group
mkdir -m 700 "home/{USER}"
chown {UID}:{UID} "home/{USER}"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
for path in sys sysrq-trigger; do
  [ ! -e "proc/$path" ] || {{ mount --bind "proc/$path" "proc/$path"; mount -o remount,bind,ro "proc/$path"; }}
done
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
umount --lazy --recursive /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$group"
echo $$ >"/sys/fs/cgroup/$group/cgroup.procs"
exec unshare --cgroup sh -c '
  set -e
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  pivot_root . old
  umount --lazy old
  rmdir old
  mount --make-rshared /
  exec env -i container=test PATH={PATH} setpriv --bounding-set={",".join(f"-{one}" for one in LACKS)} \\
    {SYSTEMD} --system --unit=multi-user.target
'
"""


class Machine:
    """The running machine."""

    def __init__(self, pid: int) -> None:
        """`pid` made its namespaces."""
        namespaces = f"/proc/{pid}/ns"
        self._enter = ("nsenter", f"--mount={namespaces}/mnt", f"--pid={namespaces}/pid_for_children")
        self.root = Path(f"/proc/{pid}/root")
        """Where its files are to be seen from here."""
        self.home = self.root / "home" / USER

    def is_up(self) -> bool:
        """Whether its systemd can be asked."""
        return (self.root / "etc/machine-id").exists() and (self.root / "run/systemd/private").is_socket()

    def root_runs(self, *words: str, code: int | None = 0, **environ: str) -> str:
        """What a program says that root runs there."""
        return self._run(words, {"HOME": "/root", "PATH": PATH, **environ}, code)

    def sudo(self, *words: str, code: int | None = 0, **environ: str) -> str:
        """What `sudo xopc` says to the person."""
        told = {"SUDO_USER": USER, "SUDO_UID": str(UID), "SUDO_GID": str(UID)}
        return self.root_runs(str(XOPC), *words, code=code, **told, **environ)

    def run(self, *words: str, code: int = 0, **environ: str) -> str:
        """What `xopc` says to the person."""
        person = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", str(XOPC))
        return self._run((*person, *words), {"HOME": f"/home/{USER}", "USER": USER, "PATH": PATH, **environ}, code)

    def systemctl(self, *words: str, code: int | None = 0) -> str:
        """What `systemctl` says to root."""
        return self.root_runs("systemctl", "--no-pager", *words, code=code)

    def write(self, place: str, text: str) -> None:
        """Write a file of the person's, below their home, that they alone may read."""
        path = self.home / place
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        for one in (path.parent, path):
            os.chown(one, UID, UID)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value").strip()

    def owners_of(self, unit: str) -> list[int]:
        """Whose the processes of a unit are."""
        processes = self.root / "sys/fs/cgroup" / self.show(unit, "ControlGroup").removeprefix("/") / "cgroup.procs"
        return [Path(f"/proc/{pid}").stat().st_uid for pid in processes.read_text().split()]

    def _run(self, words: tuple[str, ...], environ: dict[str, str], code: int | None) -> str:
        done = subprocess.run(
            [*self._enter, *words],
            env={**environ, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert code in (None, done.returncode), f"{' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@contextmanager
def machine() -> Generator[Machine]:
    """A machine without services of its own, booted, for as long as the block runs."""
    directory = Path(tempfile.mkdtemp(prefix="xopc-"))
    group = f"xopc-test-{os.getpid()}-{directory.name}"
    with (directory / "log").open("w") as log:
        namespace = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *CONTAINED, "sh", "-c", BOOT, "sh", group, directory, *_shown()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        machine = Machine(namespace.pid)
        until(lambda: machine.is_up() or namespace.poll() is not None, "it boots", 30)
        assert namespace.poll() is None, (directory / "log").read_text()
        machine.systemctl("is-system-running", "--wait", code=None)
        yield machine
    finally:
        namespace.kill()
        namespace.wait(10)
        subprocess.run([*NAMESPACES, "sh", "-c", REMOVE_GROUP, "sh", group], check=True, timeout=20)
        shutil.rmtree(directory)


def _shown() -> list[str]:
    """The sources and their Python, where `/usr` does not have them."""
    places = [str(ROOT), sys.prefix, sys.base_prefix]
    return [place for place in dict.fromkeys(places) if not place.startswith("/usr/")]

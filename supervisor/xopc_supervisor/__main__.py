"""Takes the lock, takes the port, then supervises: `python -m xopc_supervisor gateway`.

Started by `xopc gateway`, which resolves the configuration and becomes this process; not meant for typing.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from xopc_supervisor import contract, lock, renew, sockets, store
from xopc_supervisor.child import NOT_FOR_CHILDREN
from xopc_supervisor.contract import Address, Launch, LockInfo
from xopc_supervisor.estate import Estate
from xopc_supervisor.log import Log, say
from xopc_supervisor.loop import Supervisor
from xopc_supervisor.manager import Manager
from xopc_supervisor.notify import watchdog_interval
from xopc_supervisor.states import Policy

PORT_WAIT_SECONDS = 30
"""Under a service manager: how long a port, or loopback itself, is waited for."""
PORT_POLL_SECONDS = 0.25
LOOPBACK = "127.0.0.1"


def main() -> int:
    """Run one supervisor to its end and return its exit code."""
    _fill_standard_streams()
    text = os.environ.get(contract.LAUNCH_VARIABLE)
    if text is None:
        say("This is the inner half of the gateway. Start it with: xopc gateway", to=2)
        return contract.EXIT_USAGE
    launch = Launch.from_json(text)
    marker = os.environ.get(contract.MARKER_VARIABLE, "")
    if sys.argv[2:] == [renew.CHECK]:
        renew.read()
        return contract.EXIT_OK  # all is imported, and what another supervisor would leave is understood
    resumption = renew.take()
    try:
        return _run(launch, marker) if resumption is None else _resume(launch, marker, resumption)
    except KeyboardInterrupt:
        return contract.EXIT_OK


def _fill_standard_streams() -> None:
    """Whoever closed them meant that nothing is read or written there: not in the lock or a listening socket, which
    would get their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


def _run(launch: Launch, marker: str) -> int:
    # Until there is a child to restart; by default the signal would end this process.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    config_exit = contract.EXIT_OK if marker == "launchd" else contract.EXIT_CONFIG
    # Before any file is opened, which could get the number of a descriptor that was promised and did not come.
    handed = store.adopt(os.environ, os.getpid())
    try:
        held = lock.acquire(launch.lock_path, _own_info(launch))
    except lock.LockHeldError as error:
        owner = f"pid {error.pid}" if error.pid else "its process is not known"
        if not error.is_gateway:
            say(f"❌ {launch.lock_path} is held by a process that is no gateway ({owner}), such as xopc restore.", to=2)
            say("   Start again when that has ended; a service manager does so by itself.", to=2)
            return contract.EXIT_FAILURE
        say(f"❌ Gateway already running ({owner}) with {launch.config_path}.", to=2)
        say("   See `xopc gateway status`; stop it with `xopc gateway stop`.", to=2)
        return config_exit if marker else contract.EXIT_FAILURE
    except OSError as error:
        what, cure = lock.explain(launch.lock_path, error)
        say(f"❌ {what}\n   {cure}", to=2)
        return contract.EXIT_FAILURE
    try:
        taken = _take_port(launch, [each.socket for each in handed], patient=bool(marker))
        if taken is None:
            return contract.EXIT_FAILURE
        launch, listeners = taken
        store.leave(handed, listeners)
        return _supervise(launch, marker, held, listeners)
    finally:
        held.release()


def _resume(launch: Launch, marker: str, resumption: renew.Resumption) -> int:
    """Go on where the code before has left off."""
    held = lock.Lock(launch.lock_path, resumption.lock_fd, lock.read(resumption.lock_fd) or _own_info(launch))
    try:
        listeners = [socket.socket(fileno=fd) for fd in resumption.listen_fds]
        return _supervise(launch, marker, held, listeners, resumption)
    finally:
        held.release()


def _supervise(
    launch: Launch,
    marker: str,
    held: lock.Lock,
    listeners: list[socket.socket],
    resumption: renew.Resumption | None = None,
) -> int:
    manager = Manager(watchdog_interval(os.environ, os.getpid()))
    manager.keep(listeners)
    policy = Policy(
        no_respawn=contract.is_on(os.environ.get(contract.NO_RESPAWN_VARIABLE)),
        config_exit=contract.EXIT_OK if marker == "launchd" else contract.EXIT_CONFIG,
        restart_exit=contract.EXIT_RESTART if marker == "launchd" else contract.EXIT_OK,
    )
    try:
        return Supervisor(Estate(launch, held, listeners, manager), Log(launch.log_dir), policy).run(resumption)
    finally:
        for listener in listeners:
            listener.close()


def _take_port(
    launch: Launch, handed: list[socket.socket], *, patient: bool
) -> tuple[Launch, list[socket.socket]] | None:
    """The listening sockets, some of them of those handed over, with the launch that they are for, or None when told
    why there are none.

    Under a service manager loopback stands in for an address that went away since the configuration was read: the
    gateway itself then waits for it, and moves there.
    """
    deadline = time.monotonic() + (PORT_WAIT_SECONDS if patient else 0)
    while True:
        try:
            return launch, sockets.listen(launch.listen, handed)
        except sockets.PortTakenError as error:
            if time.monotonic() >= deadline:
                say(f"❌ Port {error.port} is already in use. Use --force to kill existing process.", to=2)
                _explain(launch, error.port)
                return None
        except sockets.AddressMissingError as error:
            if patient and error.host != LOOPBACK:
                launch = launch._replace(listen=(Address(LOOPBACK, launch.listen[0].port),))
                continue
            if time.monotonic() >= deadline:
                say(f"❌ This machine has no address {error.host}. Set gateway.bind to one that it has.", to=2)
                return None
        except OSError as error:
            host, port, _ = launch.listen[0]
            say(f"❌ Cannot listen at {host} port {port}: {error.strerror}.", to=2)
            say("   Choose another with --port or gateway.port; ports below 1024 need privileges.", to=2)
            return None
        time.sleep(PORT_POLL_SECONDS)  # noqa: TID251 - before any child runs there is nothing else to do


def _explain(launch: Launch, port: int) -> None:
    """Let the gateway's own code tell who listens; it bounds its time itself."""
    sys.stderr.flush()
    private = (contract.LAUNCH_VARIABLE, *NOT_FOR_CHILDREN)
    environ = {name: value for name, value in os.environ.items() if name not in private}
    command = [*launch.explain_port, str(port)]
    try:
        pid = os.posix_spawn(command[0], command, environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
        os.waitpid(pid, 0)
    except OSError:
        pass


def _own_info(launch: Launch) -> LockInfo:
    return LockInfo(
        pid=os.getpid(),
        start_time=contract.start_time(os.getpid()),
        config_path=launch.config_path,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


if __name__ == "__main__":
    sys.exit(main())

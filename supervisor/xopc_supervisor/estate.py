"""What a supervisor owns, whatever its processes do: the lock, the listening sockets, and what the manager keeps."""

from __future__ import annotations

import json
import os
import socket
import uuid
from typing import Any, cast

from xopc_supervisor import child as children, contract, sockets, states
from xopc_supervisor.child import Child, Rebound
from xopc_supervisor.contract import Address, Launch
from xopc_supervisor.lock import Lock
from xopc_supervisor.manager import Manager


class Estate:
    """Lent to each process in turn.

    *Ownership*: of `lock` and `listeners`; those who made them end them.
    """

    def __init__(self, launch: Launch, lock: Lock, listeners: list[socket.socket], manager: Manager) -> None:
        """`listeners` is kept up to date: after a move to other addresses it holds other sockets."""
        self.launch = launch
        self.lock = lock
        self.listeners = listeners
        self.manager = manager

    @property
    def port(self) -> int:
        """The main one."""
        return self.listeners[0].getsockname()[1]

    def start_process(
        self, heirloom: socket.socket | None = None, *, use_accepted: bool = False, is_spare: bool = False
    ) -> Child:
        """A new process of the gateway, that waits for its word.

        Raises:
            OSError: the system would not.
        """
        return children.spawn(
            self.launch.command,
            {**os.environ, contract.LAUNCH_VARIABLE: self.launch.to_json()},
            lock_fd=self.lock.fd,
            listeners=self.listeners,
            boot_id=str(uuid.uuid4()),
            heirloom=heirloom,
            use_accepted=use_accepted,
            is_spare=is_spare,
        )

    def provide_sockets(self, child: Child, wanted: str) -> None:
        """Bind what a process's configuration names, and answer it, before anything is given up."""
        try:
            addresses = tuple(Address(*address) for address in cast("list[list[Any]]", json.loads(wanted)))
            bound = sockets.listen(addresses, self.listeners)
        except (sockets.PortTakenError, sockets.AddressMissingError, OSError) as error:
            child.tell(f"{contract.REFUSED} {error}")
        except (ValueError, TypeError) as error:
            child.tell(f"{contract.REFUSED} the supervisor does not understand {wanted!r}: {error}")
        else:
            child.rebound = Rebound(addresses, bound)
            child.tell(f"{contract.SOCKETS} {len(bound)}", [listener.fileno() for listener in bound])

    def move_with(self, child: Child) -> None:
        """The sockets that a process asked for are the gateway's now. It serves those who wait at the others."""
        if child.rebound is None:
            return
        before, self.listeners[:] = list(self.listeners), child.rebound.listeners
        sockets.close_others(before, self.listeners)
        self.launch = self.launch._replace(listen=child.rebound.addresses)
        self.manager.keep(self.listeners)

    def give_up_sockets(self, child: Child) -> None:
        """Close those that a process asked for, and that never became the gateway's."""
        if child.rebound is not None:
            sockets.close_others(child.rebound.listeners, self.listeners)

    def record(self, state: states.State, child: Child | None, candidate: Child | None) -> None:
        """Write how things are into the lock file.

        Raises:
            OSError: the disk does not take it; the lock is held all the same.
        """
        host, port = self.listeners[0].getsockname()[:2]
        info = self.lock.info._replace(
            child_pid=child.pid if child else None,
            child_start_time=child.start_time if child else None,
            candidate_pid=candidate.pid if candidate else None,
            candidate_start_time=candidate.start_time if candidate else None,
            boot_id=child.boot_id if child else None,
            version=child.version if child else None,
            host=host,
            port=port,
            state=states.name(state),
            problem=state.problem or None,
        )
        self.lock.update(info)

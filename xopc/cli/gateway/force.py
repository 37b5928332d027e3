"""`xopc gateway --force`: makes room, and says for whom."""

from __future__ import annotations

from xopc.config.resolve import Resolved
from xopc.contracts.errors import XopcError


def make_room(resolved: Resolved) -> None:
    """Have whoever holds the gateway's port or lock end, and tell about it on standard output.

    Raises:
        XopcError: it could not be done.
    """
    from xopc.service.force import free
    from xopc.service.lockfile import read_lock

    port = resolved.port
    try:
        hosts = (*resolved.binding.hosts, *resolved.binding.optional_hosts)
        freed = free(port, hosts, read_lock(resolved.paths.lock_path), lambda text: print(f"⚠️  {text}", flush=True))
    except XopcError as error:
        raise XopcError(error.failure, f"Failed to free port {port}: {error.message}") from error
    if freed.killed:
        print(f"Force killed {len(freed.killed)} process(es) on port {port}")
    if freed.escalated_to_sigkill:
        print("Escalated to SIGKILL")

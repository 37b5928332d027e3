"""What requests find behind the gate: the parts of a generation, and those that outlive it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from xopc.config.edit import Editor
from xopc.contracts.api.status import HealthStatus, RestartAccepted, Status, TreeNode
from xopc.contracts.errors import Failure, XopcError
from xopc.core.hub import Hub
from xopc.core.sessions.runs import Runs
from xopc.gateway import problems
from xopc.gateway.generation import Generation
from xopc.gateway.home import Home
from xopc.gateway.meters import Meters
from xopc.gateway.orders import Orders, Restart
from xopc.gateway.reload import Reloader
from xopc.gateway.room import Room
from xopc.gateway.vitals import Vitals
from xopc.server.door.door import Door
from xopc.server.services import Logs, Services
from xopc.server.slots import Slots
from xopc.storage.base import StorageError
from xopc.storage.sqlite import SqliteStorage
from xopc_supervisor import contract


@frozen(eq=False)
class Offer:
    """What outlives a generation, as far as requests need it."""

    home: Home
    storage: SqliteStorage
    door: Door
    vitals: Vitals
    meters: Meters
    room: Room
    hub: Hub
    runs: Runs
    orders: Orders
    reloader: Reloader
    tree: Callable[[], TreeNode]

    def of(self, generation: Generation, event_streams: Slots) -> Services:
        """The services while this generation runs."""

        async def status() -> Status:
            full = self.vitals.full(generation, await self.storage.last_restart(), self.reloader.last)
            inbox, room = await self.storage.inbox_counts(), await self.room.use()
            return evolve(full, limiter=self.door.status(), inbox=inbox, storage=room)

        async def metrics() -> str:
            try:
                backlog = await self.storage.backlog()
            except StorageError:  # health tells of it
                backlog = None
            now = evolve(self.vitals.full(generation, None), storage=await self.room.use())
            return self.meters.text(now, generation, self.hub, backlog)

        def restart(reason: str) -> RestartAccepted:
            if not generation.resolved.settings.commands.restart:
                raise XopcError(
                    Failure.FORBIDDEN, "Restarts are disabled in the configuration (commands.restart=false)."
                )
            self.orders.give(Restart(contract.IN_PROCESS, reason))
            return RestartAccepted(HealthStatus.RESTARTING.value, self.vitals.identity.boot_id, generation.number)

        home, resolved = self.home, generation.resolved
        config_file = home.problems.reporter(problems.CONFIG_FILE, degrades=False)
        return Services(
            door=self.door,
            health=self.vitals.health,
            status=status,
            metrics=metrics,
            ways=self.storage.ways,
            tree=self.tree,
            restart=restart,
            reload=self.reloader.reload,
            config=Editor(resolved, home.environ, home.flags, config_file),
            settings=resolved.settings,
            storage=self.storage,
            inbox=generation.inbox,
            sessions=generation.sessions,
            heartbeat=generation.heartbeat,
            runs=self.runs,
            hub=self.hub,
            outbox=generation.outbox,
            channels=generation.channels,
            route=generation.route,
            why_no_model=generation.why_no_model,
            upkeep=generation.upkeep,
            logs=Logs(resolved.paths.log_dir, home.log_level),
            event_streams=event_streams,
            cron=generation.scheduler,
        )

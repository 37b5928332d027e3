"""What requests may reach of the generation that serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import Factory, field, frozen

from xopc.contracts.api import Health, RestartAccepted, Status, TreeNode
from xopc.contracts.auth import Auth
from xopc.server.auth import Credentials


def _credentials(services: Services) -> Credentials:
    return Credentials.of(services.auth)


@frozen
class Services:
    """The services of one generation, as callables: the server knows none of the parts behind them."""

    auth: Auth
    health: Callable[[], Health]
    status: Callable[[], Awaitable[Status]]
    tree: Callable[[], TreeNode]
    restart: Callable[[str], RestartAccepted]
    """Ask for an in-process restart with a reason, and return at once: the restart waits for the requests
    inside the gate, among them the one that asks. Raises `XopcError` where the configuration forbids it."""
    credentials: Credentials = field(init=False, default=Factory(_credentials, takes_self=True))
    """Of `auth`; made once, not for each request."""

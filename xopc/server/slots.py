"""How many event streams may be open at once, so that nobody keeps the owner of the gateway out.

The owner is whoever has a credential for everything; where none is asked for, whoever asks from this machine. He may
have all there are. Of the others each may have half, and all of them together leave him a tenth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from attrs import Factory, define

from xopc.contracts.auth import Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.server.door.auth import Principal

OWNER_SHARE = 10
"""One of so many is kept for the owner."""
LIMIT = "gateway.maxSseConnections"


@define(eq=False)
class Slots:
    """The streams that are open, and whose they are."""

    most: int
    """May be set; those that are open stay."""
    _taken: Counter[Principal] = Factory(Counter[Principal])

    @property
    def taken(self) -> int:
        return self._taken.total()

    def refuse_when_full(self, caller: Principal | None) -> None:
        """Let nobody in beyond the limit, or beyond what is his.

        Raises:
            XopcError: TOO_MANY_CONNECTIONS.
        """
        if self.taken >= self.most:
            why = f"{self.taken} clients follow the events already; {LIMIT} is the limit."
        elif caller is None or _is_owner(caller):
            return
        elif (own := self._taken[caller]) >= max(1, self.most // 2):
            whose = "address" if caller.network else "credential"
            why = f"{own} clients with this {whose} follow the events already, and half of {LIMIT} is the limit."
        elif self._of_guests >= self.most - max(1, self.most // OWNER_SHARE) and self.most > 1:
            why = f"{self._of_guests} clients follow the events already; the rest of {LIMIT} is kept for the owner."
        else:
            return
        raise XopcError(Failure.TOO_MANY_CONNECTIONS, why)

    @contextmanager
    def take(self, caller: Principal | None) -> Generator[None]:
        """Count one more for the time of the block."""
        whose = caller or _NOBODY
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]

    @property
    def _of_guests(self) -> int:
        return sum(count for caller, count in self._taken.items() if not _is_owner(caller))


_NOBODY = Principal("nobody", Scope.READ)


def _is_owner(caller: Principal) -> bool:
    return caller.scope is Scope.ADMIN and caller.network is None

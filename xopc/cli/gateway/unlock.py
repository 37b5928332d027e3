"""`xopc gateway unlock`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import print_json
from xopc_supervisor.contract import EXIT_OK

UNLOCK_PATH = "/api/auth/unlock"
TIMEOUT_SECONDS = 10.0


def unlock(
    client: Annotated[str | None, Parameter(help="Its IP address (default: all clients).")] = None,
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Let clients try again that presented too many wrong credentials.

    It is not blocked itself where it may read the gateway's state directory. Who is blocked: xopc gateway status
    """
    body = find_target(config).client(TIMEOUT_SECONDS).post(UNLOCK_PATH, {"client": client} if client else {})
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.status import Unlocked

    count = read_answer(body, Unlocked).unlocked
    if count == 0:
        print(f"{client} was not blocked" if client else "Nobody was blocked")
    else:
        print(f"✅ Unlocked {client or ('1 client' if count == 1 else f'{count} clients')}")
    return EXIT_OK

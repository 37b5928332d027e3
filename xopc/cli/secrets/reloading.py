"""`xopc secrets reload`."""

from __future__ import annotations

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, print_json
from xopc.client.http import RefusedError
from xopc.contracts.errors import Failure
from xopc_supervisor.contract import EXIT_OK

RELOAD_PATH = "/api/secrets/reload"
TIMEOUT_SECONDS = 90.0
"""Above what a program may take, and a reload before this one."""


def reload(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Have the running gateway look up all secrets again, and take all of them or none."""
    target = find_target(config)
    try:
        body = target.client(TIMEOUT_SECONDS).post(RELOAD_PATH, {})
    except RefusedError as error:
        if error.failure is not Failure.UNAUTHORIZED or target.owner is None:
            raise
        # The new token is known here and the old one there, where nothing follows the files.
        hints = [f"The gateway has another token still. Have it read its files: kill -HUP {target.owner.pid}"]
        return fail(error.message, as_json=as_json, hints=hints)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.secrets import SecretsReloaded

    outcome = read_answer(body, SecretsReloaded).payload
    print("✅ The secrets were looked up again.")
    if outcome.hot:
        print(f"   In effect: {', '.join(outcome.hot)}")
    if outcome.restart:
        print(f"   After a restart: {', '.join(outcome.restart)}")
    if not outcome.hot and not outcome.restart:
        print("   None of those in xopc.json has changed.")
    if outcome.warning_count:
        count = outcome.warning_count
        print(f"⚠️  {count} warning{'' if count == 1 else 's'}. See: xopc gateway logs")
    return EXIT_OK

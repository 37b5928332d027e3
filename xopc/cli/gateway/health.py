"""`xopc health`, also as `xopc gateway health`: one question, one word, one exit code."""

from __future__ import annotations

from typing import Annotated, cast

from cyclopts import Parameter

from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, Duration, DurationOption, JsonOption, UrlOption
from xopc.cli.output import as_typed, duration, print_json
from xopc.client.http import Client, JsonObject
from xopc.service.health import health_of
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK

DEFAULT_TIMEOUT = Duration(10)
_SERVING = {"healthy": "✅", "degraded": "⚠️ "}


def health(
    *,
    url: UrlOption = None,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 10s).")] = DEFAULT_TIMEOUT,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Ask the gateway how it is. It needs no token.

    The exit code is 0 where it serves, healthy or degraded, and 1 where it does not.
    """
    client = Client(url, None, timeout) if url else find_target(config).client(timeout)
    body = health_of(client)
    status = str(body.get("status"))
    if as_json:
        print_json(body)
    else:
        print(f"{_SERVING.get(status, '❌')} {status} ({_vitals(body)})")
        for problem in cast("list[object]", body.get("problems") or []):
            print(as_typed(f"⚠️  {problem}: see xopc status"))
    return EXIT_OK if status in _SERVING else EXIT_FAILURE


def _vitals(body: JsonObject) -> str:
    uptime = body.get("uptime")
    up = f", up {duration(uptime)}" if isinstance(uptime, int | float) else ""
    return f"version {body.get('version')}, pid {body.get('pid')}{up}"

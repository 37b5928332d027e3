"""`xopc config get`, `validate` and `file`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

from cyclopts import Parameter

from xopc.cli.config.place import KeyArgument, found, open_desk, read_keys
from xopc.cli.gateway.target import read_environment
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import print_json, without_controls
from xopc.config.paths import from_home, resolve_paths
from xopc_supervisor.contract import EXIT_OK


def get(
    path: Annotated[KeyArgument | None, Parameter(help="What to show; all of it, where none is given.")] = None,
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Show a value of the configuration, or all of it, with what is in effect where nothing is set.

    Secrets are shown as ***.
    """
    shown = open_desk(config).shown()
    value = shown if path is None else found(shown, read_keys(path))
    if as_json:
        print_json({"path": path, "value": value})
    else:
        print(without_controls(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)))
    return EXIT_OK


def validate(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Tell whether the gateway would start with the configuration, and what is wrong with it.

    The exit code is 1 where it would be refused.
    """
    from xopc.config.resolve import Flags, resolve
    from xopc.config.setup import with_certificate

    environ = read_environment(config)
    resolved = with_certificate(resolve(environ, Flags()))
    path, exists = resolved.paths.config_path, resolved.content is not None
    if as_json:
        print_json({"ok": True, "path": str(path), "exists": exists, "warnings": list(resolved.warnings)})
        return EXIT_OK
    name = from_home(path)
    print(f"✅ {name} is valid" if exists else f"✅ There is no {name}: the defaults are in force")
    for warning in resolved.warnings:
        print(f"⚠️  {without_controls(warning)}", file=sys.stderr)
    return EXIT_OK


def file(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Print where the configuration file is, or would be."""
    path = resolve_paths(read_environment(config)).config_path
    if as_json:
        print_json({"path": str(path), "exists": path.exists()})
    else:
        print(path)
    return EXIT_OK

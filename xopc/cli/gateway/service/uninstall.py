"""`xopc gateway service uninstall`."""

from __future__ import annotations

from xopc.cli.gateway.service.place import SystemOption, find_place, refuse
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, print_json
from xopc.service.managers.base import ServiceManagerError
from xopc_supervisor.contract import EXIT_OK


def uninstall(*, system: SystemOption = False, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Stop the service, and remove it: its definition and its file of secrets.

    Configuration, conversations and logs stay.
    """
    target, manager = find_place(config, system=system, changes=True)
    if manager is None or not manager.is_available():
        return refuse(manager, target.environ, system=system, as_json=as_json)
    if manager.read() is None:
        if as_json:
            print_json({"ok": True, "result": "not-installed", "message": "Service not installed."})
        else:
            print("ℹ️  Service not installed.")
        return EXIT_OK
    try:
        manager.uninstall()
    except ServiceManagerError as error:
        return fail(f"Service not uninstalled: {error}", as_json=as_json)
    message = "Gateway service uninstalled."
    if as_json:
        print_json({"ok": True, "result": "uninstalled", "message": message})
    else:
        print(f"✅ {message}")
    return EXIT_OK

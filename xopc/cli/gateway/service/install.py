"""`xopc gateway service install`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import evolve
from cyclopts import Parameter, validators

from xopc.cli.gateway.run import BindOption, TokenOption
from xopc.cli.gateway.service.place import SystemOption, find_place, give_to_owner, refuse, warnings_about_root
from xopc.cli.gateway.target import Target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fail, print_json
from xopc.config.secrets.snapshot import CREDENTIALS_VARIABLE
from xopc.contracts.errors import ConfigError
from xopc.service.managers.base import PORT_VARIABLE, Definition, Installed, ServiceManager, ServiceManagerError
from xopc.service.managers.find import in_scope, is_of_machine
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.config.resolve import Flags, Resolved

START = "xopc gateway service start"
STATUS = "xopc gateway status"


def install(
    *,
    port: Annotated[
        int | None,
        Parameter(
            validator=validators.Number(gte=1, lte=65535), help="Port to listen at, instead of the configuration's."
        ),
    ] = None,
    bind: BindOption = None,
    token: TokenOption = None,
    force: Annotated[bool, Parameter(help="Write it anew, with the configuration as it is now.")] = False,
    keep_off: Annotated[bool, Parameter(help="With --force: one that was stopped or put off stays so.")] = False,
    system: SystemOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Have the operating system start the gateway at each login, and again when it ends.

    Its secrets go into a file that its owner alone may read. It does not start yet: xopc gateway service start
    """
    target, manager = find_place(config, system=system, changes=True)
    if manager is None or not manager.is_available():
        return refuse(manager, target.environ, system=system, as_json=as_json)
    before = manager.read()
    if before is not None and manager.is_loaded() and not force:
        return _already_there(target, manager, before, as_json=as_json)
    try:
        definition, warnings = _define(target, manager, before, (port, bind, token))
        warnings += manager.install(definition, keep_off=keep_off)
    except ConfigError as error:
        what = "The gateway would refuse to start with this configuration"
        return fail(f"Service not installed. {what}: {error.message}", as_json=as_json)
    except ServiceManagerError as error:
        return fail(f"Service not installed: {error}", as_json=as_json)
    return _tell(target, manager, definition, [*warnings_about_root(system=system), *warnings], as_json=as_json)


def reinstall(target: Target, manager: ServiceManager) -> list[str]:
    """Write the definition anew, with the configuration as it is now; one that is off stays so. What deserves a
    warning, in sentences.

    Raises:
        ConfigError: the gateway would refuse to start with it.
        ServiceManagerError: the manager does not take it; what was there is as it was.
        OSError: it cannot be written.
    """
    definition, warnings = _define(target, manager, manager.read(), (None, None, None))
    return [*warnings, *manager.install(definition, keep_off=True)]


def _define(
    target: Target, manager: ServiceManager, before: Installed | None, given: tuple[int | None, str | None, str | None]
) -> tuple[Definition, list[str]]:
    """What to install, and what deserves a warning.

    Raises:
        ConfigError: the gateway would refuse to start with it.
    """
    from xopc.config.resolve import Flags
    from xopc.service.audit.audited import is_temporary
    from xopc.service.audit.rules import inline_secrets, option_of
    from xopc.service.managers.define import define, kept_secrets

    port, bind, token = given
    if before is not None and _is_of(before, target):
        # What was asked for stays, until something else is asked for.
        asked = before.environment.get(PORT_VARIABLE, "")
        port = int(asked) if port is None and asked.isdecimal() else port
        bind = bind or option_of(before.arguments, "--bind")
    # Without what it was installed with, a key that another shell knew would be lost.
    inline = inline_secrets(before) if before is not None else {}
    before_secrets = {**inline, **before.secrets} if before is not None else {}
    known = kept_secrets(before_secrets, target.paths, target.environ)
    moved = {name: value for name, value in inline.items() if name not in {**known, **target.environ}}
    environ = {**_handed_over(manager), **target.environ, **known}
    resolved, extra, warnings = _prepare(environ, Flags(port, bind, token))
    give_to_owner(resolved.paths)
    if is_temporary(Path((program := define(resolved, environ, manager.marker, manager.label)).arguments[0])):
        cure = "install xopc for good (in a clone of it: pipx install .), and the service anew"
        warnings.append(f"{program.arguments[0]} is in a temporary place, and the service ends with it: {cure}")
    return define(resolved, environ, manager.marker, manager.label, extra={**moved, **extra}), warnings


def _is_of(installed: Installed, target: Target) -> bool:
    """Whether a service is of this configuration."""
    from xopc.service.audit.rules import paths_of

    theirs = paths_of(installed.arguments, installed.environment)
    return theirs is not None and theirs.config_path.resolve() == target.paths.config_path.resolve()


def _kept(definition: Definition) -> list[str]:
    """What it goes by whatever the configuration says, and how to leave that."""
    from xopc.service.audit.rules import option_of

    bind, again = option_of(definition.arguments, "--bind"), "xopc gateway service install --force"
    port = definition.environment.get(PORT_VARIABLE)
    told = [f"--port {port}"] if port else []
    told += [f"--bind {bind}"] if bind else []
    if not told:
        return []
    names = " and ".join(one.split()[0] for one in told)
    return [f"It stays at {' '.join(told)}, until {names} of `{again}` names what the configuration says."]


def _handed_over(manager: ServiceManager) -> dict[str, str]:
    """Where the manager puts the credentials of the service that runs: a configuration may refer to them."""
    from xopc.service.audit.refusal import known_by

    directory = known_by(manager.runtime().pid).get(CREDENTIALS_VARIABLE)
    return {CREDENTIALS_VARIABLE: directory} if directory else {}


def _prepare(environ: dict[str, str], flags: Flags) -> tuple[Resolved, dict[str, str], list[str]]:
    """The configuration as a start would have it, with what is missing made; a token that a start will refuse is left
    to that start, and warned of.

    Raises:
        ConfigError: it would be refused for another reason.
    """
    from xopc.config.auth import MIN_TOKEN_CHARS, weakness
    from xopc.config.setup import prepare
    from xopc.service.audit.rules import TOKEN_VARIABLE

    if not flags.token or not flags.token.strip() or len(flags.token) >= MIN_TOKEN_CHARS:
        resolved = prepare(environ, flags)
        return resolved, {}, list(resolved.warnings)
    resolved = prepare(environ, evolve(flags, token=None))
    weak = weakness(flags.token, "token", MIN_TOKEN_CHARS) or ""
    warning = f"The gateway will refuse this token when it starts: {weak}"
    return resolved, {TOKEN_VARIABLE: flags.token}, [*resolved.warnings, warning]


def _already_there(target: Target, manager: ServiceManager, installed: Installed, *, as_json: bool) -> int:
    from xopc.service.audit.rules import paths_of

    warnings: list[str] = []
    theirs = paths_of(installed.arguments, installed.environment)
    if theirs is not None and not _is_of(installed, target):
        cure = "give this one a profile of its own, with --profile NAME"
        warnings.append(f"It is the service of another configuration, {theirs.config_path}: {cure}")
    if as_json:
        print_json({"ok": True, "result": "already-installed", "label": manager.label, "warnings": warnings})
        return EXIT_OK
    print("ℹ️  Service already installed. Use --force to reinstall.")
    for warning in warnings:
        print(f"⚠️  {warning}")
    return EXIT_OK


def _tell(
    target: Target, manager: ServiceManager, definition: Definition, warnings: list[str], *, as_json: bool
) -> int:
    from xopc.service.audit.rules import option_of

    port = int(option_of(definition.arguments, "--port") or 0)
    owner, pid = target.owner, manager.runtime().pid
    start, when = in_scope(manager, START), "with the machine" if is_of_machine(manager) else "when you log in"
    if owner is not None and owner.pid == pid:
        # Without root, the machine's restarts in place, and its manager's part of it stays as it was.
        again = start if is_of_machine(manager) else "xopc gateway restart"
        hints = [f"It runs with what was installed before. To have the new: {again}", STATUS]
    elif owner is not None:
        what = f"A gateway that was started by hand runs (pid {owner.pid})"
        hints = [f"{what}. To have the service instead: xopc gateway stop && {start}", STATUS]
    elif pid is not None:
        hints = [f"It has been started, and starts {when}.", STATUS]  # by launchd, which does so when it loads it
    else:
        hints = [f"It starts {when}. To have it now: {start}", STATUS]
    hints += _kept(definition)
    if as_json:
        shown = {"label": manager.label, "port": port, "sourcePath": str(manager.source_path)}
        print_json({"ok": True, "result": "installed", **shown, "warnings": warnings, "hints": hints})
        return EXIT_OK
    print(f"✅ Gateway service installed\n\n   Service: {manager.label}\n   Port: {port}\n")
    for warning in warnings:
        print(f"⚠️  {warning}")
    for hint in hints:
        print(as_typed(f"💡 {hint}"))
    return EXIT_OK

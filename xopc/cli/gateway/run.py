"""`xopc gateway`: resolves the configuration, says what it is about to do, and becomes the supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

from attrs import asdict
from cyclopts import Parameter, validators

import xopc
from xopc.cli.options import ConfigOption
from xopc_supervisor import contract
from xopc_supervisor.contract import EXIT_CONFIG, EXIT_FAILURE, EXIT_OK, EXIT_USAGE, Launch

if TYPE_CHECKING:
    from xopc.config.resolve import Resolved

# -P: a module in the working directory must not stand in for one of ours.
PYTHON = (sys.executable, "-P", "-m")


PortOption: TypeAlias = Annotated[
    int | None, Parameter(validator=validators.Number(gte=0, lte=65535), help="Port to listen at; 0 takes a free one.")
]
BindOption: TypeAlias = Annotated[
    str | None, Parameter(help="Where to listen: loopback, lan, auto, tailnet or custom.")
]
TokenOption: TypeAlias = Annotated[str | None, Parameter(help="Token that clients have to present.")]


def run(
    *,
    port: PortOption = None,
    bind: BindOption = None,
    token: TokenOption = None,
    no_persist_token: Annotated[bool, Parameter(help="Keep a generated token out of the configuration file.")] = False,
    allow_unconfigured: Annotated[
        bool, Parameter(help="Write no configuration file where there is none, nor into one.")
    ] = False,
    reset: Annotated[bool, Parameter(help="With --dev: delete all that it has on disk first.")] = False,
    watch: Annotated[
        bool, Parameter(help="With --dev, in a source checkout: replace the process when a source changes.")
    ] = False,
    force: Annotated[
        bool, Parameter(help="Have whoever listens at its port end first, and the gateway that runs already.")
    ] = False,
    foreground: Annotated[bool, Parameter(help="What it always does; accepted for older scripts.")] = False,
    config: ConfigOption = None,
) -> int:
    """Run the gateway in the foreground, until Ctrl+C.

    Options outrank the environment, which outranks the configuration file.
    """
    from xopc.cli.gateway.banner import first_block, open_to_all_block
    from xopc.cli.gateway.force import make_room
    from xopc.cli.gateway.target import finish_restore, read_environment
    from xopc.config.paths import resolve_paths
    from xopc.config.resolve import Flags
    from xopc.config.setup import prepare
    from xopc.contracts.errors import ConfigError

    del foreground
    if os.getpid() == 1:
        # The kernel drops what process 1 does not handle: let a `docker stop` wait for the supervisor, which does.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    environ: dict[str, str] = dict(os.environ)
    try:
        finish_restore(resolve_paths(environ))  # a service's file of secrets is part of what is restored
        environ = read_environment(config)
        finish_restore(resolve_paths(environ))
        if (wrong := _misuse(environ, resets=reset, watches=watch)) is not None:
            print(f"xopc gateway: {wrong}", file=sys.stderr)
            print("See: xopc gateway --help", file=sys.stderr)
            return EXIT_USAGE
        if reset:
            from xopc.cli.gateway.reset import reset as delete_state

            delete_state(environ)
        flags = Flags(port, bind, token, unconfigured=allow_unconfigured or no_persist_token, watch=watch)
        resolved = prepare(environ, flags)
        _refuse_lack(resolved, environ)
    except ConfigError as error:
        print(f"Gateway refused to start: {error.message}", file=sys.stderr)
        return refusal_exit(environ)
    if force:
        make_room(resolved)
    # Whoever reads the output may be gone; that must not keep a gateway from starting.
    with contextlib.suppress(OSError):
        print(first_block(resolved), flush=True)
        if (warning := open_to_all_block(resolved)) is not None:
            print(warning, file=sys.stderr, flush=True)
    return _become_supervisor(resolved, environ)


def _misuse(environ: Mapping[str, str], *, resets: bool, watches: bool) -> str | None:
    """What is wrong with the options for developers in this environment."""
    from xopc.config.profile import DEV, profile_of

    if resets:
        from xopc.cli.gateway.reset import refusal

        if (why := refusal(environ)) is not None:
            return why
    if not watches:
        return None
    if profile_of(environ) != DEV:
        return "--watch is for developers: give --dev, too"
    if not (Path(xopc.__file__).parent.parent / "pyproject.toml").is_file():
        return f"--watch needs a source checkout, and xopc is installed in {Path(xopc.__file__).parent}"
    if contract.is_on(environ.get(contract.NO_RESPAWN_VARIABLE)):
        return f"--watch starts new processes, which {contract.NO_RESPAWN_VARIABLE} forbids: unset it"
    return None


def _refuse_lack(resolved: Resolved, environ: Mapping[str, str]) -> None:
    """Whoever starts by hand can mend an address that is not there; under a service manager it is waited for."""
    from xopc.contracts.errors import ConfigError

    lack = resolved.binding.lack
    if lack is not None and lack.required and not environ.get(contract.MARKER_VARIABLE):
        raise ConfigError(str(resolved.paths.config_path), lack.refusal)


def _become_supervisor(resolved: Resolved, environ: Mapping[str, str]) -> NoReturn:
    given = {"--port": resolved.flags.port, "--bind": resolved.flags.bind}
    # For whoever looks at the list of processes, so without the token. What counts stands in the environment.
    shown = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    os.execve(  # noqa: S606 - there is no shell in it
        sys.executable,
        [*PYTHON, "xopc_supervisor", "gateway", *shown],
        {**environ, contract.LAUNCH_VARIABLE: launch(resolved).to_json()},
    )


def refusal_exit(environ: Mapping[str, str]) -> int:
    """The exit code for a configuration that cannot take effect: one that the service manager does not start again."""
    match environ.get(contract.MARKER_VARIABLE, ""):
        case "":
            return EXIT_FAILURE
        case "launchd":
            return EXIT_OK  # launchd starts anew after every other code
        case _:
            return EXIT_CONFIG


_FLAGS = ("port", "bind", "token", "generated")


def launch(resolved: Resolved) -> Launch:
    """What the supervisor has to know."""
    from xopc.cli.gateway.banner import second_block

    paths, flags = resolved.paths, resolved.flags
    return Launch(
        config_path=str(paths.config_path),
        state_dir=str(paths.state_dir),
        lock_path=str(paths.lock_path),
        intent_path=str(paths.intent_path),
        log_dir=str(paths.log_dir),
        listen=resolved.addresses,
        command=(*PYTHON, "xopc.gateway"),
        explain_port=(*PYTHON, "xopc.service.ports"),
        version_file=str(Path(xopc.__file__)),
        ready_text=second_block(resolved),
        # An older version, which may take over, does not know the rest.
        flags={name: value for name, value in asdict(flags).items() if name in _FLAGS or value},
    )

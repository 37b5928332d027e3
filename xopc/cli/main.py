"""The console script `xopc`: finds the command, and turns whatever goes wrong into a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

import xopc

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

MARK = "xopc-installation.json"
"""See `xopc_supervisor.contract.Installation`."""
GLOBAL_OPTIONS = (
    "With any command: --profile NAME for another gateway than the default one, "
    "and --dev for the profile of developers."
)
_HELP_FLAGS = frozenset({"--help", "-h"})
EXIT_INTERRUPTED = 130
"""Ctrl+C: 128 and the number of SIGINT, as shells count."""


def main() -> int:
    """Run the command that the process was started with, and return its exit code."""
    _open_streams()
    arguments = sys.argv[1:]
    _follow_an_update(sys.argv[0], arguments)
    _accept_any_terminal()
    try:
        code = _run(arguments)
        if sys.stdout:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough (`xopc gateway logs | head`). What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        print(xopc.__version__)
        return 0
    from cyclopts import CycloptsError

    from xopc.cli.output import fail, sentence
    from xopc.cli.profile import use_profile
    from xopc.contracts.errors import XopcError

    try:
        arguments = use_profile(arguments)
    except ValueError as error:
        return _refuse_usage("xopc", str(error))
    as_json = "--json" in arguments
    try:
        app = build_app()
        import_shown(app, arguments)
        code: object = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _explain_usage(error)
    except XopcError as error:
        return fail(error.message, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(sentence(error), as_json=as_json)
    return code if isinstance(code, int) else 0


def _follow_an_update(program: str, arguments: list[str]) -> None:
    """Become the version that has taken the place of this one, where `xopc update` was called from here once.

    `python -m xopc` means this version. So does the way back: one that is broken must not stand in it.
    """
    is_meant = program.endswith("__main__.py") or {"update", "--rollback"} <= set(arguments)
    if is_meant or not os.path.exists(f"{sys.prefix}/{MARK}"):  # noqa: PTH110 - pathlib costs 5 ms
        return
    from xopc.service.installations.program import successor

    script = successor(sys.prefix)
    if script is not None:
        with suppress(OSError):
            os.execv(script, [script, *arguments])  # noqa: S606 - there is no shell in it


def build_app() -> App:
    """All commands. Their modules are imported when they are run."""
    from cyclopts import App, Parameter

    from xopc.cli.help import PlainHelp

    app = App(
        name="xopc",
        help="A personal-assistant gateway: from chats and API clients to AI agents.",
        version=xopc.__version__,
        version_flags=["--version", "-V"],
        help_epilogue=GLOBAL_OPTIONS,
        help_format="plaintext",
        help_formatter=PlainHelp(),
        default_parameter=Parameter(negative=(), show_default=False),
        result_action="return_value",
    )
    app.command("xopc.cli.gateway:app", name="gateway")
    app.command("xopc.cli.onboard.command:onboard", name="onboard")
    app.command("xopc.cli.onboard.command:setup", name="setup")
    app.command("xopc.cli.doctor.command:doctor", name="doctor")
    app.command("xopc.cli.update.command:update", name="update")
    app.command("xopc.cli.secrets:app", name="secrets")
    app.command("xopc.cli.gateway.health:health", name="health")
    app.command("xopc.cli.gateway.status:status", name="status")
    app.command("xopc.cli.logs:app", name="logs")
    app.command("xopc.cli.config:app", name="config")
    app.command("xopc.cli.models:app", name="models")
    app.command("xopc.cli.channels:app", name="channels")
    app.command("xopc.cli.api:api", name="api")
    app.command("xopc.cli.agent:agent", name="agent")
    app.command("xopc.cli.message:app", name="message")
    app.command("xopc.cli.sessions:app", name="sessions")
    app.command("xopc.cli.inbox:app", name="inbox")
    app.command("xopc.cli.outbox:app", name="outbox")
    app.command("xopc.cli.heartbeat:app", name="heartbeat")
    app.command("xopc.cli.cron:app", name="cron")
    app.command("xopc.cli.backup:backup", name="backup")
    app.command("xopc.cli.restore:restore", name="restore")
    app.register_install_completion_command(  # pyright: ignore[reportUnknownMemberType] - cyclopts leaves kwargs bare
        help="Let this shell complete xopc's commands."
    )
    return app


def import_shown(app: App, arguments: list[str]) -> None:
    """Import the commands whose purpose is about to be shown: those of the group that is called for help, or by its
    name alone.
    """
    words = [word for word in arguments if word not in _HELP_FLAGS]
    found, apps, _ = app.parse_commands(words)
    if len(words) < len(arguments) or (len(found) == len(words) and apps[-1].default_command is None):
        for name in apps[-1]:
            apps[-1][name]


def _explain_usage(error: CycloptsError) -> int:
    error.verbose = False
    command = " ".join(["xopc", *(error.command_chain or ())])
    return _refuse_usage(command, _usage_problem(error, command))


def _refuse_usage(command: str, what: str) -> int:
    from xopc.cli.output import fitted
    from xopc_supervisor.contract import EXIT_USAGE

    print(fitted(f"{command}: {what}\nSee: {command} --help", sys.stderr), file=sys.stderr)
    return EXIT_USAGE


def _usage_problem(error: CycloptsError, command: str) -> str:
    from cyclopts import CoercionError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

    if isinstance(error, MissingArgumentError) and error.argument is not None:
        _, mean, guess = str(error).partition(" Did you mean ")
        lacks = f"{error.keyword} takes a value." if error.keyword else f"{error.argument.name} is missing."
        return f"{lacks}{mean}{guess}"
    if isinstance(error, CoercionError) and error.target_type in {int, float} and error.token is not None:
        kind = "whole number" if error.target_type is int else "number"
        return f'Invalid value "{error.token.value}" for {error.token.keyword}. It must be a {kind}.'
    if not isinstance(error, UnknownCommandError | UnusedCliTokensError) or not error.unused_tokens:
        return str(error)
    word = error.unused_tokens[0]
    names = sorted(name for name in (error.app or ()) if not name.startswith("-"))
    if not names:
        return f'"{word}" is one argument too many.'
    if word in names:
        return f"options go behind the command: {command} {word} [OPTIONS]"
    from difflib import get_close_matches

    near = get_close_matches(word, names, n=1, cutoff=0.7)
    question = f" Did you mean {near[0]}?" if near else ""
    return f'Unknown command "{word}".{question}\nCommands: {", ".join(names)}.'


def _open_streams() -> None:
    """A standard stream that was closed by whoever started the process leads nowhere. Its number would be given to the
    next file, and what is printed would go into the lock or to a socket."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace"))


def _accept_any_terminal() -> None:
    """A terminal that lacks a sign gets a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())

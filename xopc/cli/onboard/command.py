"""`xopc onboard` and `xopc setup`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xopc.cli.onboard.manner import Manner
from xopc.cli.onboard.terminal import is_attended
from xopc.cli.onboard.wishes import Wishes, read_secrets
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fail
from xopc.contracts.errors import XopcError
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK, EXIT_USAGE

STAYS = "What was written stays; `xopc onboard` goes on from there."

YesOption = Annotated[bool, Parameter(help="Take what is proposed, without a question.")]
NonInteractiveOption = Annotated[bool, Parameter(help="Ask nothing: what no option says stays as it is.")]
RiskOption = Annotated[bool, Parameter(help="Accepted for scripts that were written for OpenClaw.")]


def onboard(
    *,
    wishes: Wishes | None = None,
    yes: YesOption = False,
    non_interactive: NonInteractiveOption = False,
    accept_risk: RiskOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Set everything up, step by step, until the assistant answers for the first time.

    It asks for what no option says, and tries each answer before it is written.
    """
    del accept_risk
    return _set_up(wishes or Wishes(), Manner("onboard", yes, non_interactive, as_json), config)


def setup(
    *,
    wishes: Wishes | None = None,
    yes: YesOption = False,
    non_interactive: NonInteractiveOption = False,
    accept_risk: RiskOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """The same as onboard; for scripts, with --non-interactive."""
    del accept_risk
    return _set_up(wishes or Wishes(), Manner("setup", yes, non_interactive, as_json), config)


def _set_up(wishes: Wishes, manner: Manner, config: Path | None) -> int:
    from xopc.cli.gateway.target import find_target
    from xopc.cli.onboard.ending import Ending
    from xopc.cli.onboard.present import look
    from xopc.cli.onboard.steps import make_plan
    from xopc.service.managers.find import find_manager

    if manner.as_json and not manner.is_silent:
        print(f"xopc {manner.command}: --json goes with --non-interactive: questions are no JSON.", file=sys.stderr)
        return EXIT_USAGE
    if not manner.is_silent and not is_attended():
        print(f"xopc {manner.command}: there is no terminal to ask at.", file=sys.stderr)
        print(as_typed("Give what it asks for as options: xopc setup --non-interactive --help"), file=sys.stderr)
        return EXIT_USAGE
    guide = manner.guide()
    try:
        target = find_target(config)
        present = look(target)
        manager = find_manager(target.environ)
        plan = make_plan(guide, present, wishes, read_secrets(wishes, target.environ), manager)
    except EOFError:
        print("\nThe input ended, and nothing was changed.", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print("\nNothing was changed.", file=sys.stderr)
        raise
    except XopcError as error:
        hints = () if manner.is_silent else ("Nothing was changed.",)
        return fail(error.message, as_json=manner.as_json, hints=hints)
    if plan is None:
        guide.say("Nothing was changed.")
        return EXIT_OK
    ending = Ending(guide, target, present, wishes, manner, config)
    try:
        return ending.reach(plan, manager)
    except EOFError:
        print(as_typed(f"\nThe input ended. {STAYS}"), file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print(as_typed(f"\n{STAYS}"), file=sys.stderr)
        raise

"""`xopc doctor`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import print_json, without_controls
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from xopc.cli.doctor.check import Fault
    from xopc.cli.doctor.mend import Mended


def doctor(
    *,
    fix: Annotated[bool, Parameter(help="Mend what can be mended without a loss.")] = False,
    yes: Annotated[bool, Parameter(help="With --fix: do not ask first.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Look for what is wrong with the gateway, its configuration and its service, and say how to mend it.

    The exit code is 1 where something is critical. Without --fix it changes nothing.
    """
    if yes and not fix:
        print("xopc doctor: --yes belongs to --fix.", file=sys.stderr)
        return EXIT_USAGE
    if fix and not yes and (as_json or not sys.stdin.isatty()):
        what = "--fix asks before it changes anything. Where nobody can answer: xopc doctor --fix --yes"
        print(f"xopc doctor: {what}", file=sys.stderr)
        return EXIT_USAGE
    from xopc.cli.doctor.examination import examine, faults_of, to_json, to_terminal
    from xopc.cli.doctor.mend import checked
    from xopc.config.audit import Severity

    results = examine(config)
    mended = _fix(config, faults_of(results), ask=not yes) if fix else None
    if mended:
        results = examine(config)
        mended = [checked(one, faults_of(results)) for one in mended]
    counts = Counter(fault.severity for fault in faults_of(results))
    if as_json:
        print_json(to_json(results, counts, mended))
    else:
        print("\n".join(to_terminal(results, counts, mended)))
    return EXIT_FAILURE if counts[Severity.CRITICAL] else EXIT_OK


def _fix(config: Path | None, faults: list[Fault], *, ask: bool) -> list[Mended]:
    """Mend what can be mended; nothing where whoever is asked does not want it."""
    from xopc.cli.doctor.check import Sight
    from xopc.cli.doctor.mend import is_fixable, mend
    from xopc.cli.gateway.target import find_target

    fixable = [fault for fault in faults if is_fixable(fault)]
    if not fixable:
        return []
    if ask:
        for fault in fixable:
            print(without_controls(f"🔧 {fault.title} ({fault.where})"))
        try:
            if input("Mend this? [y/N] ").strip().lower() not in {"y", "yes"}:
                return []
        except EOFError:
            return []
    return list(mend(Sight(find_target(config)), fixable))

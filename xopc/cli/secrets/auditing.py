"""`xopc secrets audit`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from cyclopts import Parameter

from xopc.cli.doctor.check import Sight
from xopc.cli.doctor.examination import to_text
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import print_json
from xopc.cli.secrets.checks import UNRESOLVED, checks
from xopc.config.audit import Severity
from xopc.contracts.convert import unstructure
from xopc_supervisor.contract import EXIT_OK

EXIT_FOUND = 1
EXIT_UNRESOLVED = 2


def audit(
    *,
    check: Annotated[
        bool, Parameter(help="Exit with 1 where something is to be mended, and with 2 where a reference leads nowhere.")
    ] = False,
    allow_exec: Annotated[bool, Parameter(help="Ask the programs of secrets.commands, too.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Look for secrets in plain text, in files that others may read, and for references that lead nowhere.

    It needs no running gateway, changes nothing, and shows no secret.
    """
    sight = Sight(find_target(config))
    results = {one: one.run(sight) for one in checks(runs_programs=allow_exec)}
    faults = [fault for result in results.values() for fault in result.faults]
    counts = Counter(fault.severity for fault in faults)
    unresolved = sum(fault.check_id == UNRESOLVED for fault in faults)
    if as_json:
        print_json(
            {
                "ok": not counts[Severity.CRITICAL] and not counts[Severity.WARN],
                "counts": {severity.value: counts[severity] for severity in Severity},
                "unresolved": unresolved,
                "findings": unstructure(faults),
            }
        )
    else:
        print(to_text(results))
    if not check:
        return EXIT_OK
    if unresolved:
        return EXIT_UNRESOLVED
    return EXIT_FOUND if counts[Severity.CRITICAL] or counts[Severity.WARN] else EXIT_OK

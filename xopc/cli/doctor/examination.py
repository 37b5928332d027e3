"""All that the doctor looks at, and what it tells of it."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xopc.cli.doctor import certificate, configuration, files, gateway, installation, places, service, storage, tasks
from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.cli.doctor.configuration import of_refusal
from xopc.cli.doctor.mend import Mended, is_fixable
from xopc.cli.gateway.target import find_target
from xopc.cli.output import as_typed, without_controls
from xopc.cli.secrets.checks import look_beside_the_file
from xopc.client.http import JsonObject
from xopc.config.audit import Severity
from xopc.contracts.convert import unstructure
from xopc.contracts.errors import ConfigError

_SECRETS = Check("secrets.references", "security", look_beside_the_file)
CHECKS: tuple[Check, ...] = (
    *configuration.CHECKS,
    _SECRETS,
    *certificate.CHECKS,
    *files.CHECKS,
    *places.CHECKS,
    *storage.CHECKS,
    *gateway.CHECKS[:2],
    *tasks.CHECKS,
    *gateway.CHECKS[2:],
    *service.CHECKS,
    *installation.CHECKS,
)
"""In the order in which they are told."""
WIDTH = 80
"""Columns of a line, where the terminal has so many."""
_MARKS = {Severity.CRITICAL: "❌", Severity.WARN: "⚠️ ", Severity.INFO: "ℹ️ "}
_INDENT = "   "


def faults_of(results: Mapping[Check, Result]) -> list[Fault]:
    return [fault for result in results.values() for fault in result.faults]


def examine(config: Path | None) -> Mapping[Check, Result]:
    """What comes of each check, in its order."""
    try:
        sight = Sight(find_target(config))
    except ConfigError as error:
        # Not even the files are known.
        skipped = Result("the environment names no usable place", skipped=True)
        first, *others = CHECKS
        return {first: Result("", of_refusal(error)), **dict.fromkeys(others, skipped)}
    return {check: check.run(sight) for check in CHECKS}


def to_text(results: Mapping[Check, Result]) -> str:
    """What came of the checks, for a person at a terminal."""
    return without_controls("\n".join(_lines(results)))


def to_terminal(
    results: Mapping[Check, Result], counts: Counter[Severity], mended: list[Mended] | None
) -> Iterator[str]:
    for one in mended or []:
        mark, said = ("✅", one.done) if one.done else ("❌", f"It was not mended: {one.error}")
        yield from _wrapped(f"{mark} ", without_controls(f"{one.where} [{', '.join(one.check_ids)}]"))
        for line in said.splitlines():
            yield from _wrapped(_INDENT, without_controls(line))
    if mended:
        yield ""
    yield to_text(results)
    yield f"\n{_total(counts)}"
    count = sum(map(is_fixable, faults_of(results)))
    if count and mended is None:
        yield f"🔧 {count} of them can be mended by: xopc doctor --fix"


def to_json(results: Mapping[Check, Result], counts: Counter[Severity], mended: list[Mended] | None) -> JsonObject:
    return {
        "ok": not counts[Severity.CRITICAL],
        "counts": {severity.value: counts[severity] for severity in Severity},
        "checks": [
            {
                "id": check.id,
                "section": check.section,
                "summary": result.summary,
                "skipped": result.skipped,
                "faults": [{**unstructure(fault), "fixable": is_fixable(fault)} for fault in result.faults],
            }
            for check, result in results.items()
        ],
        **({"mended": [unstructure(one) for one in mended]} if mended is not None else {}),
    }


def _lines(results: Mapping[Check, Result]) -> Iterator[str]:
    section = ""
    for check, result in results.items():
        if check.section != section:
            yield from ("", check.section.title()) if section else (check.section.title(),)
            section = check.section
        if result.skipped:
            yield from _wrapped("➖ ", f"Not looked at: {result.summary}")
        elif result.summary:
            yield from _wrapped("🔎 " if result.faults else "✅ ", as_typed(result.summary))
        for fault in result.faults:
            yield from _fault(fault)


def _fault(fault: Fault) -> Iterator[str]:
    yield from _wrapped(f"{_MARKS[fault.severity]} ", fault.title)
    yield from _wrapped(_INDENT, f"{fault.where} [{fault.check_id}]")
    for line in fault.detail.splitlines():
        yield from _wrapped(_INDENT, line.strip())
    yield from _wrapped(f"{_INDENT}💡 ", as_typed(fault.remediation))


def _wrapped(head: str, text: str) -> Iterable[str]:
    """Lines that fit, the first behind `head`. Words, such as paths, stay whole: they can be copied."""
    indent = " " * (len(_INDENT) * 2 if head.startswith(" ") and head.strip() else len(_INDENT))
    width = min(WIDTH, shutil.get_terminal_size().columns) - 2
    lines = textwrap.wrap(
        text, width, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines or [head.rstrip()]


def _total(counts: Counter[Severity]) -> str:
    if not counts:
        return "✅ Nothing is wrong."
    told = {Severity.CRITICAL: "critical", Severity.WARN: "to look at", Severity.INFO: "to know"}
    mark = _MARKS[min(counts, key=list(Severity).index)]
    return f"{mark} {', '.join(f'{counts[severity]} {word}' for severity, word in told.items() if counts[severity])}"

"""One snapshot of the secrets that a file refers to: what each reference stood for when it was made.

A snapshot is made whole and put in force whole, with the configuration that it belongs to. One that fails changes
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from xopc.config.findings import Findings
from xopc.config.paths import path_beside
from xopc.config.secrets.file import LostError, read_secret_file
from xopc.config.secrets.references import NO_SECRETS, Reference, Secrets, Source, path_of, references_in
from xopc.config.substitute import substitute
from xopc.contracts.convert import JsonObject, closest, structure_known
from xopc.contracts.errors import ConfigError, InvalidValueError
from xopc.contracts.settings.file import Settings
from xopc.contracts.settings.secrets import SecretsSettings

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what `LoadCredential=` names."""
MAX_AT_ONCE = 8


def gather(
    values: JsonObject,
    settings: SecretsSettings,
    directory: Path,
    environ: Mapping[str, str],
    *,
    known: Secrets = NO_SECRETS,
    section: str | None = None,
) -> Secrets:
    """The secrets that the values of a file in `directory` refer to; with `section` those of that part alone.

    Files are read anew. A program is not asked again for what is `known` of the same command, be it found or lost.
    Those that are asked are so at once, each for its own time: call it in a thread.
    """
    wanted = dict.fromkeys(
        reference
        for keys, reference in references_in(values)
        if keys[:1] != ("secrets",) and (section is None or keys[:1] == (section,))
    )
    found, lost = dict[Reference, str](), dict[Reference, str]()
    files = {reference: file for reference in wanted if (file := _file_of(reference, directory, environ)) is not None}
    asked = {reference.name for reference in wanted if reference.source is Source.COMMAND}
    commands = {name: command for name, command in settings.commands.items() if name in asked}
    same = [
        reference
        for reference in wanted
        if reference.source is Source.COMMAND and known.commands.get(reference.name) == commands.get(reference.name)
    ]
    remembered = {reference: known.found[reference] for reference in same if reference in known.found}
    missed = {reference: known.lost[reference] for reference in same if reference in known.lost}
    read = partial(_read, files=files, settings=settings, environ=environ)
    outcomes = _all_at_once(read, [name for name in wanted if name not in remembered and name not in missed])
    for reference, outcome in outcomes.items():
        if isinstance(outcome, LostError):
            lost[reference] = str(outcome)
        else:
            found[reference] = outcome
    return Secrets({**remembered, **found}, {**missed, **lost}, frozenset(files.values()), commands)


def files_named(values: JsonObject, directory: Path, environ: Mapping[str, str]) -> frozenset[Path]:
    """The files that the values of a file refer to, whatever is in them."""
    files = (_file_of(reference, directory, environ) for _, reference in references_in(values))
    return frozenset(file for file in files if file is not None)


def read_settings(values: JsonObject, environ: Mapping[str, str], findings: Findings) -> SecretsSettings | None:
    """`secrets` of a configuration, in which nothing but the environment may be referred to; None where it does not
    validate, which those who read all of the settings tell."""
    section = {"secrets": values.get("secrets", {})}
    for keys, reference in references_in(section):
        what = f"may not refer to {reference}: a program's arguments can be read by every user of this machine"
        findings.refuse(path_of(keys), what)
    try:
        return structure_known(substitute(section, environ, Findings()), Settings)[0].secrets
    except InvalidValueError:
        return None


def _all_at_once(read: partial[str | LostError], references: Iterable[Reference]) -> dict[Reference, str | LostError]:
    """What each of them gives. Threads are made for programs alone."""
    slow = [reference for reference in references if reference.source is Source.COMMAND]
    outcomes = {reference: read(reference) for reference in references if reference not in slow}
    if slow:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most configurations name no program

        with ThreadPoolExecutor(min(MAX_AT_ONCE, len(slow)), thread_name_prefix="secret") as pool:
            outcomes |= zip(slow, pool.map(read, slow), strict=True)
    return outcomes


def _read(
    reference: Reference, *, files: Mapping[Reference, Path], settings: SecretsSettings, environ: Mapping[str, str]
) -> str | LostError:
    try:
        if reference.source is Source.COMMAND:
            command = settings.commands.get(reference.name)
            if command is None:
                cure = closest(reference.name, settings.commands) or ": name its program there"
                return LostError(f"there is no command {reference.name} in secrets.commands{cure}")
            from xopc.config.secrets.command import run_secret_command  # noqa: PLC0415 - see below

            return run_secret_command(reference.name, command, environ)
        if reference in files:
            return read_secret_file(files[reference], is_private=reference.source is Source.FILE)
    except LostError as error:
        return error
    return LostError(_no_file(reference, environ))


def _file_of(reference: Reference, directory: Path, environ: Mapping[str, str]) -> Path | None:
    """Where a secret stands; None for one that stands in no file, or nowhere."""
    match reference.source:
        case Source.FILE if reference.name and reference.name.isprintable():
            try:
                return path_beside(reference.name, directory, environ)
            except ConfigError:
                return None
        case Source.CREDENTIAL if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,254}", reference.name):
            given = environ.get(CREDENTIALS_VARIABLE, "")
            return Path(given) / reference.name if given.startswith("/") else None
        case _:
            return None


def _no_file(reference: Reference, environ: Mapping[str, str]) -> str:
    if reference.source is Source.FILE:
        return "the path of a file is missing, or names a home that does not exist: write ${file:PATH}"
    if environ.get(CREDENTIALS_VARIABLE):
        return f"{reference.name[:64]!r} is not the name of a credential: use letters, digits, dots and dashes"
    return (
        f"the credential {reference.name} is not there, because {CREDENTIALS_VARIABLE} is not set: "
        f"name it in the unit, LoadCredential={reference.name}:PATH, or set the variable to the folder that holds it"
    )

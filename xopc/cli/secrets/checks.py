"""What `xopc secrets audit` looks at. The doctor looks at the references, too."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from attrs import evolve

from xopc.agent.models_secrets import replace_references
from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.cli.doctor.files import look_at_modes
from xopc.cli.secrets import plain
from xopc.cli.secrets.service import definitions, faults_in, service_environment
from xopc.config.audit import Severity
from xopc.config.findings import Findings
from xopc.config.load import load_document
from xopc.config.secrets.command import refuse_foreign
from xopc.config.secrets.file import LostError
from xopc.config.secrets.references import NO_SECRETS, Keys, Reference, Secrets, Source, path_of
from xopc.config.secrets.snapshot import files_named, gather, read_settings
from xopc.config.substitute import is_secret, substitute
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, LostSecret
from xopc.contracts.settings.secrets import SecretsSettings

UNRESOLVED = "secrets.unresolved"


def look_at_references(sight: Sight, *, runs_programs: bool = False) -> Result:
    """Does each reference lead to a secret?"""
    paths = sight.target.paths
    environ = {**service_environment(sight.target.environ), **sight.target.environ}
    values, models = _values(paths.config_path), _values(paths.models)
    findings = Findings()
    settings = read_settings(values, environ, findings) or SecretsSettings()
    known = NO_SECRETS if runs_programs else _programs(settings)
    secrets = gather(values, settings, paths.config_path.parent, environ, known=known)
    substitute(values, environ, findings, secrets)
    faults = [
        _unresolved(f"{problem.path} ({paths.config_path})", problem.what, is_kept=isinstance(problem, LostSecret))
        for problem in findings.problems
    ]
    replaced = replace_references(models, settings, paths.models.parent, environ, known)
    faults += [_unresolved(str(paths.models), warning, is_kept=True) for warning in replaced.warnings]
    if not runs_programs:
        faults += list(_of_programs(settings))
    count = len(secrets.found) + len(replaced.secrets.found)
    unasked = any(reference.source is Source.COMMAND for reference in (*secrets.found, *replaced.secrets.found))
    note = ", and no program was asked (--allow-exec asks them)" if unasked and not runs_programs else ""
    told = f"All references lead to a secret ({count}){note}" if count else "No secret is kept elsewhere"
    return Result.of(faults, told)


def look_beside_the_file(sight: Sight) -> Result:
    """The same for the doctor, who has told already of those that keep his own commands from working."""
    result = look_at_references(sight)
    error = sight.target.config_error
    told = {problem.what for problem in error.problems} if error else set[str]()
    return evolve(result, faults=tuple(fault for fault in result.faults if fault.detail not in told))


def look_at_plain_text(sight: Sight) -> Result:
    """Which secrets stand where everybody sees them who is shown the file?"""
    paths = sight.target.paths
    config, models = _values(paths.config_path), _values(paths.models)
    found = [(keys, paths.config_path) for keys, _ in plain.in_configuration(config)]
    found += [(keys, paths.models) for keys, _ in plain.in_models(models)]
    faults = [_plain(keys, path) for keys, path in found]
    now = {keys for keys, _ in found}
    for copy in (*sorted(paths.config_path.parent.glob(f"{paths.config_path.name}.bak*")), paths.accepted):
        past = [keys for keys, _ in plain.in_configuration(_values(copy)) if keys not in now]
        faults += [_forgotten(keys, copy) for keys in past[:1]]
    return Result.of(faults, "No secret stands in plain text")


def look_at_files(sight: Sight) -> Result:
    """Who may read the files with secrets?"""
    target = sight.target
    named = files_named(_values(target.paths.config_path), target.paths.config_path.parent, target.environ)
    faults = [*look_at_modes(sight).faults]
    for path in sorted(named):
        with suppress(OSError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode) and status.st_mode & 0o007:
                faults.append(_exposed(path, status.st_mode))
    return Result.of(faults, "Nobody else may read what holds secrets")


def look_at_service(sight: Sight) -> Result:
    """Does the definition of the service, which every user may read, hold a secret?"""
    target = sight.target
    files = list(definitions(target.environ))
    if not files:
        return Result("No service is installed")
    known = {secret for _, secret in plain.in_configuration(_values(target.paths.config_path))}
    if target.credential:
        known.add(target.credential)
    faults = [fault for path in files for fault in faults_in(path, known)]
    return Result.of(faults, "The service's definition holds no secret")


REFERENCES = Check("secrets.references", "secrets", look_at_references)
OTHERS = (
    Check("secrets.plain", "plain text", look_at_plain_text),
    Check("secrets.files", "files", look_at_files),
    Check("secrets.service", "service", look_at_service),
)


def checks(*, runs_programs: bool) -> tuple[Check, ...]:
    """All of them, in their order."""
    return (evolve(REFERENCES, look=partial(look_at_references, runs_programs=runs_programs)), *OTHERS)


def _values(path: Path) -> JsonObject:
    """What stands in a file; nothing where it is broken, which others tell."""
    try:
        document = load_document(path)
    except (ConfigError, OSError):
        return {}
    return document.values if document else {}


def _programs(settings: SecretsSettings) -> Secrets:
    """All programs, as if each had told its secret."""
    told = {Reference(Source.COMMAND, name): "" for name in settings.commands}
    return Secrets(told, commands=settings.commands)


def _of_programs(settings: SecretsSettings) -> Iterator[Fault]:
    for name, command in settings.commands.items():
        try:
            refuse_foreign(name, Path(command.command[0]))
        except LostError as error:
            yield _unresolved(f"$.secrets.commands.{name}", str(error), is_kept=True)


def _unresolved(where: str, what: str, *, is_kept: bool) -> Fault:
    cure = (
        "Mend it, then: xopc secrets reload" if is_kept else "Set it where the gateway starts, or mend the reference."
    )
    return Fault(UNRESOLVED, Severity.CRITICAL, "A reference leads to no secret", where, what, cure)


def _plain(keys: Keys, path: Path) -> Fault:
    is_own = keys[:2] == ("gateway", "auth")
    key = path_of(keys).removeprefix("$.")
    name = next((str(one) for one in reversed(keys) if isinstance(one, str)), "secret")
    by_hand = f'Put it into a file of its own, mode 0600, and write "${{file:secrets/{name}}}"'
    return Fault(
        "secrets.plain",
        Severity.INFO if is_own else Severity.WARN,
        "A secret stands in plain text",
        f"{path_of(keys)} ({path})",
        "Whoever is shown the file, or a copy of it, has it.",
        f"Give it to: xopc secrets set {key}" if is_secret(keys) and path.name != "models.json" else by_hand,
    )


def _forgotten(keys: Keys, path: Path) -> Fault:
    return Fault(
        "secrets.copy",
        Severity.WARN,
        "An older copy of the configuration holds a secret in plain text",
        f"{path_of(keys)} ({path})",
        "It was moved elsewhere since, and is here all the same.",
        f"rm {shlex.quote(str(path))}",
    )


def _exposed(path: Path, mode: int) -> Fault:
    return Fault(
        "secrets.exposed",
        Severity.WARN,
        "Other users may read a file with secrets",
        str(path),
        f"Its mode is {stat.S_IMODE(mode):04o}.",
        f"chmod 600 {shlex.quote(str(path))}",
    )

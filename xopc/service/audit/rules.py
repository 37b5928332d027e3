"""What of an installed service does not fit: another version, token, program or port than this command has.

Pure functions of what was read; `xopc.service.audit.audited` reads it.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from xopc.config.paths import Paths, resolve_paths
from xopc.contracts.errors import ConfigError
from xopc.service.audit.drift import drift
from xopc.service.audit.finding import AGGRESSIVE, Finding
from xopc.service.managers.base import PORT_VARIABLE, SECRETS_FILE_VARIABLE, VERSION_VARIABLE, Installed

TOKEN_VARIABLE = "XOPC_GATEWAY_TOKEN"  # noqa: S105 - the name of a variable
PASSWORD_VARIABLE = "XOPC_GATEWAY_PASSWORD"  # noqa: S105 - the name of a variable
DRIFT_HEADLINE = "Token drift detected: service token differs from config."
_SECRET_NAME = re.compile(r"(?:^|_)(?:TOKEN|PASSWORD|SECRET|API_?KEY|PRIVATE_KEY)$")
LONG_SECRET_CHARS = 12
_SECRET_OPTIONS = ("--token", "--password")
_BROKEN = frozenset({"missing-program", "interpreter-gone"})
"""With one of these the service cannot start."""


@frozen
class Expected:
    """What a service of this configuration would be, installed now."""

    version: str
    paths: Paths
    port: int | None
    """None where the configuration does not validate."""
    token: str | None
    """The configuration's own, references resolved; None where it has none or another mode."""
    password: str | None
    reinstall: str
    """The command that writes the definition anew."""
    search_path: tuple[str, ...] = ()
    """Directories of `PATH` that belong into its environment."""
    refusal: str | None = None
    """Why the service would refuse this configuration, which is good for whoever looks; None where it would not."""


@frozen
class OnDisk:
    """What stands on the disk of all that the definition names."""

    has_program: bool = True
    lost_interpreter: str | None = None
    """What the first line of the program names, where that is not there."""
    is_temporary: bool = False
    """Whether the program stands where it may be tidied away."""
    secrets_mode: int | None = None
    """Permissions of the file of secrets; None where there is none."""


def audit(marker: str, installed: Installed, expected: Expected, on_disk: OnDisk) -> tuple[Finding, ...]:
    """All that does not fit, what is worst first. None of its texts holds a secret."""
    found = [
        *_of_program(installed, expected, on_disk),
        *_of_refusal(expected),
        *_of_version(installed, expected),
        *_of_credentials(installed, expected),
        *_of_port(installed, expected),
        *_of_configuration(installed, expected),
        *_of_secrets(installed, expected, on_disk),
        *_of_search_path(installed, expected),
        *drift(marker, installed.settings, expected.reinstall),
    ]
    return tuple(sorted(found, key=lambda finding: finding.level == AGGRESSIVE))


def needs_repair(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that make a start of the service useless, or one of something else than is installed."""
    return tuple(one for one in findings if one.code in _BROKEN or one.code == "version-mismatch")


def cannot_start(findings: tuple[Finding, ...]) -> Finding | None:
    """The one with which no new process of the service comes up, whatever else is well; None where there is none."""
    return next((one for one in findings if one.code in _BROKEN), None)


def option_of(arguments: tuple[str, ...], name: str) -> str | None:
    """The value of `--name VALUE` or `--name=VALUE`."""
    for position, argument in enumerate(arguments):
        if argument == name and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return None


def paths_of(arguments: tuple[str, ...], environment: Mapping[str, str]) -> Paths | None:
    """The files of the gateway that a definition starts; None where it names no usable place."""
    environ = dict(environment)
    named, profile = option_of(arguments, "--config"), option_of(arguments, "--profile")
    if named is not None:
        environ["XOPC_CONFIG_PATH"] = named
    if profile is not None or "--dev" in arguments:
        environ["XOPC_PROFILE"] = profile or "dev"
    try:
        return resolve_paths(environ)
    except ConfigError:
        return None


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret: `OPENAI_API_KEY`."""
    return _SECRET_NAME.search(name.upper()) is not None


def inline_secrets(installed: Installed) -> dict[str, str]:
    """Secrets in a definition that are not the gateway's own: a new definition has them in its file of secrets."""
    return {
        name: value
        for name, value in installed.environment.items()
        if value and is_secret_name(name) and not name.startswith("XOPC_")
    }


def _of_program(installed: Installed, expected: Expected, on_disk: OnDisk) -> Iterator[Finding]:
    program = installed.arguments[0] if installed.arguments else ""
    if not program or not on_disk.has_program:
        what = f"Service program not found on disk: {program or '(the definition names none)'}"
        yield Finding("missing-program", what, _reinstall(expected), f"Named in {installed.source_path}.")
        return
    if on_disk.lost_interpreter is not None:
        what = f"Service program {program} needs an interpreter that is gone: {on_disk.lost_interpreter}"
        cure = f"Install xopc anew, then: {expected.reinstall}"
        yield Finding("interpreter-gone", what, cure, "Its virtual environment or its Python was removed.")
    if on_disk.is_temporary:
        what = f"Service program is in a temporary place: {program}"
        cure = f"Install xopc for good (in a clone of it: pipx install .), then: {expected.reinstall}"
        yield Finding("temporary-program", what, cure, "The service cannot start any more once that is tidied away.")


def _of_refusal(expected: Expected) -> Iterator[Finding]:
    if expected.refusal is not None:
        what = "The service would refuse this configuration at its next start, and stay down."
        cure = f"Write it anew, with what is known here: {expected.reinstall}"
        yield Finding("would-refuse", what, cure, expected.refusal)


def _of_version(installed: Installed, expected: Expected) -> Iterator[Finding]:
    written = installed.environment.get(VERSION_VARIABLE, "").strip()
    if written and written != expected.version:
        what = f"Service version {written} does not match current {expected.version}."
        yield Finding("version-mismatch", what, _reinstall(expected))


def _of_credentials(installed: Installed, expected: Expected) -> Iterator[Finding]:
    if _differ(_service_secret(installed, TOKEN_VARIABLE, "--token"), expected.token):
        what = "Config token differs from service token. The daemon will use the old token after restart."
        cure = f"Run `{expected.reinstall}` to sync."
        yield Finding("token-drift", what, cure, headline=DRIFT_HEADLINE)
    if _differ(_service_secret(installed, PASSWORD_VARIABLE, "--password"), expected.password):
        what = "Config password differs from service password. The daemon will use the old password after restart."
        yield Finding("password-drift", what, f"Run `{expected.reinstall}` to sync.")


def _service_secret(installed: Installed, variable: str, option: str) -> str | None:
    """What the service's gateway goes by: an option outranks a variable, and a variable the file of secrets."""
    found = option_of(installed.arguments, option)
    return found or installed.environment.get(variable) or installed.secrets.get(variable)


def _differ(one: str | None, other: str | None) -> bool:
    """Whether both are known, and not the same. Takes as long wherever they differ."""
    if not one or not other or not one.strip() or not other.strip():
        return False
    return not hmac.compare_digest(one.strip().encode(), other.strip().encode())


def _of_port(installed: Installed, expected: Expected) -> Iterator[Finding]:
    port = option_of(installed.arguments, "--port")
    if installed.environment.get(PORT_VARIABLE) == port:
        return  # it was asked for, or nobody named one
    if port is not None and expected.port is not None and port.strip() != str(expected.port):
        what = f"Service port {port.strip()} does not match config port {expected.port}."
        yield Finding("port-mismatch", what, _reinstall(expected))


def _of_configuration(installed: Installed, expected: Expected) -> Iterator[Finding]:
    theirs, ours = paths_of(installed.arguments, installed.environment), expected.paths
    if theirs is None:
        what = "The service's environment names no usable place for its files."
        yield Finding("config-mismatch", what, _reinstall(expected), f"Written in {installed.source_path}.")
        return
    if not _is_same(theirs.config_path, ours.config_path):
        what = _other("configuration file", theirs.config_path, ours.config_path)
        yield Finding("config-mismatch", what, _look_at_theirs(expected))
    if not _is_same(theirs.state_dir, ours.state_dir):
        what = _other("state directory", theirs.state_dir, ours.state_dir)
        yield Finding("state-mismatch", what, _look_at_theirs(expected))


def _is_same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _other(noun: str, theirs: Path, ours: Path) -> str:
    return f"The service has another {noun} than this command: {theirs}, and not {ours}."


def _look_at_theirs(expected: Expected) -> str:
    return f"Run: {expected.reinstall}; or set the variables that the service has, to look at its own."


def _of_secrets(installed: Installed, expected: Expected, on_disk: OnDisk) -> Iterator[Finding]:
    inline = [name for name, value in installed.environment.items() if value and is_secret_name(name)]
    inline += [option for option in _SECRET_OPTIONS if option_of(installed.arguments, option)]
    if not inline and any(secret in installed.text for secret in _own_secrets(installed, expected)):
        inline = ["one of the gateway's own"]
    if inline:
        what = f"The service definition holds secrets in clear: {', '.join(sorted(inline))}."
        where = f"Whoever may read {installed.source_path} or the list of processes reads them."
        yield Finding("secret-embedded", what, _reinstall(expected), where)
    path = installed.environment.get(SECRETS_FILE_VARIABLE, "")
    if not path:
        return
    if on_disk.secrets_mode is None:
        what = f"The service's file of secrets is not there: {path}"
        yield Finding("secrets-file-missing", what, _reinstall(expected))
    elif on_disk.secrets_mode & 0o077:
        what = f"Others may read the service's file of secrets: {path} has the mode {on_disk.secrets_mode:04o}."
        yield Finding("secrets-file-readable", what, f"Run: chmod 600 {path}")


def _own_secrets(installed: Installed, expected: Expected) -> Iterator[str]:
    """Those that are known, and too long to stand there by chance."""
    known = (expected.token, expected.password, *installed.secrets.values())
    yield from (secret for secret in known if secret and len(secret) >= LONG_SECRET_CHARS)


def _of_search_path(installed: Installed, expected: Expected) -> Iterator[Finding]:
    theirs = installed.environment.get("PATH", "").split(os.pathsep)
    lacking = [directory for directory in expected.search_path if directory not in theirs]
    if lacking:
        what = f"The service's PATH lacks: {os.pathsep.join(lacking)}"
        why = "Tools that the assistant runs are not found there."
        yield Finding("path-missing-dirs", what, _reinstall(expected), why, AGGRESSIVE)


def _reinstall(expected: Expected) -> str:
    return f"Run: {expected.reinstall}"

"""From the configuration in force to what a service manager is to run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve

import xopc
from xopc.config.paths import Paths, configured_path
from xopc.config.profile import DEFAULT, profile_of
from xopc.config.regular import read_regular
from xopc.config.resolve import Flags, Resolved
from xopc.contracts.auth import AuthMode
from xopc.service.audit.rules import PASSWORD_VARIABLE, TOKEN_VARIABLE
from xopc.service.installations.program import stable_program
from xopc.service.managers.base import PORT_VARIABLE, SECRETS_FILE_VARIABLE, VERSION_VARIABLE, Definition
from xopc_supervisor.contract import MARKER_VARIABLE, NO_RESPAWN_VARIABLE

DIRECTORY = "service"
"""Of the files of secrets, in the state directory."""
_CARRIED = (
    "XOPC_PROFILE",
    "XOPC_LOG_MAX_MB",
    "XOPC_LOG_RETENTION_DAYS",
    "XOPC_LOG_REDACTION",
    "XOPC_GATEWAY_AUTH_MODE",
    "XOPC_GATEWAY_STRICT_SECURITY",
    "XOPC_AUTH_RATE_LIMIT",
    "XOPC_CONTAINER",
    NO_RESPAWN_VARIABLE,
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""What the service has as the command that installs it has it."""
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
"""In capitals, too. The address of a proxy may hold a password."""
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:\}|:-)")
_PASSED = re.compile(r"""\bpassEnv["']?\s*:\s*\[([^\]]*)\]""")
"""What the programs of `secrets.commands` get of the environment."""
_NAMED_KEY = re.compile(r'"([A-Z][A-Z0-9_]+)"')
"""How `models.json` may name the variable of a key."""
_USER_DIRECTORIES = (".local/bin", "bin")
_SYSTEM_DIRECTORIES = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin")


def define(
    resolved: Resolved, environ: Mapping[str, str], marker: str, label: str, *, extra: Mapping[str, str] | None = None
) -> Definition:
    """The service of a configuration, as the manager `marker` is to run it under `label`.

    `resolved` and `environ` are of the command that installs it: what it was told on its line, and what it knows.
    `extra` are secrets beside those that are found in there.
    """
    paths = resolved.paths
    program = stable_program()
    secrets_path = secrets_path_of(paths, label)
    return Definition(
        label=label,
        description=describe(profile_of(environ)),
        arguments=(*program, *_command(resolved, environ)),
        working_directory=paths.config_path.parent,
        environment={
            **_places(paths, environ),
            **_logging(paths, environ),
            **{name: value for name in _CARRIED if (value := environ.get(name, "").strip())},
            **_surroundings(environ, program[0]),
            MARKER_VARIABLE: marker,
            VERSION_VARIABLE: xopc.__version__,
            **_asked_port(resolved),
            SECRETS_FILE_VARIABLE: str(secrets_path),
        },
        secrets={**_secrets(resolved, environ), **(extra or {})},
        secrets_path=secrets_path,
        log_dir=paths.log_dir,
    )


def describe(profile: str) -> str:
    """What a service is called for people."""
    return f"xopc Gateway ({'' if profile == DEFAULT else f'profile: {profile}, '}v{xopc.__version__})"


def secrets_path_of(paths: Paths, label: str) -> Path:
    """Where the secrets of a service stand."""
    return paths.state_dir / DIRECTORY / f"{label}.env"


def kept_secrets(before: Mapping[str, str], paths: Paths, environ: Mapping[str, str]) -> dict[str, str]:
    """What an installed service knows, and the command that installs it anew does not: keys that were in another
    shell's environment. A variable that is set and empty forgets one.
    """
    wanted = _names_in_files(paths)
    return {
        name: value for name, value in before.items() if name not in environ and (name in wanted or _is_carried(name))
    }


def search_path(environ: Mapping[str, str], program: str) -> tuple[str, ...]:
    """The directories in which tools are looked for: those of the user that exist, and the system's.

    Not all of the installing shell's `PATH`: what a version manager puts there is gone with the next version.
    """
    home = Path(environ.get("HOME") or Path.home())
    own = (Path(program).parent, *(home / name for name in _USER_DIRECTORIES))
    found = [*map(str, own), *_SYSTEM_DIRECTORIES]
    return tuple(dict.fromkeys(one for one in found if Path(one).is_dir()))


def _command(resolved: Resolved, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The words behind the program. `--bind` outranks what the file says later, so it is there only if it was given,
    and says something else.
    """
    bind = resolved.flags.bind
    if bind and evolve(resolved, flags=Flags()).look_again(environ) == resolved.binding:
        bind = None
    return ("gateway", "--foreground", "--port", str(resolved.port), *(("--bind", bind) if bind else ()))


def _asked_port(resolved: Resolved) -> dict[str, str]:
    """What says that the port is not the configuration's on purpose."""
    port = resolved.flags.port
    return {} if port is None or port == resolved.settings.gateway.port else {PORT_VARIABLE: str(port)}


def _places(paths: Paths, environ: Mapping[str, str]) -> dict[str, str]:
    """Where things stand, absolute: a service works in another directory than whoever installs it."""
    places = {"XOPC_CONFIG_PATH": str(paths.config_path)}
    if environ.get("XOPC_HOME", "").strip():
        places["XOPC_HOME"] = str(configured_path("~", paths, environ))
    for name, place in (
        ("XOPC_STATE_DIR", paths.state_dir),
        ("XOPC_WORKSPACE", paths.workspace),
        ("XOPC_MODELS_JSON", paths.models),
        ("XOPC_CREDENTIALS_DIR", paths.local_key.parent),
    ):
        if environ.get(name, "").strip():
            places[name] = str(place)
    return places


def _logging(paths: Paths, environ: Mapping[str, str]) -> dict[str, str]:
    """A service has a log file, and no terminal."""
    defaults = {"XOPC_LOG_LEVEL": "info", "XOPC_LOG_FILE": "true", "XOPC_LOG_CONSOLE": "false"}
    told = {name: environ.get(name, "").strip() or default for name, default in defaults.items()}
    return {**told, "XOPC_LOG_DIR": str(paths.log_dir)}


def _surroundings(environ: Mapping[str, str], program: str) -> dict[str, str]:
    if os.name == "nt":
        return {}  # a task has those of its user
    home = environ.get("HOME") or str(Path.home())
    return {"HOME": home, "PATH": os.pathsep.join(search_path(environ, program))}


def _secrets(resolved: Resolved, environ: Mapping[str, str]) -> dict[str, str]:
    names = {name for name in environ if _is_carried(name)} | _names_in_files(resolved.paths)
    found = {name: environ[name] for name in names if environ.get(name, "").strip()}
    auth = resolved.auth
    # One that is kept elsewhere is looked up by the service itself, and may be exchanged there.
    if auth.mode is AuthMode.TOKEN and auth.secret and auth.secret not in resolved.secrets.found.values():
        found[TOKEN_VARIABLE] = auth.secret
    if auth.mode is AuthMode.PASSWORD and environ.get(PASSWORD_VARIABLE, "").strip():
        found[PASSWORD_VARIABLE] = environ[PASSWORD_VARIABLE]
    return found


def _is_carried(name: str) -> bool:
    """Whether a variable is a secret that a gateway may need whatever its configuration says."""
    return not name.startswith("XOPC_") and (name.endswith("_API_KEY") or name.lower() in _PROXIES)


def _names_in_files(paths: Paths) -> set[str]:
    """The variables that the configuration refers to, and the file of models."""
    found: set[str] = set()
    for path, patterns in ((paths.config_path, (_REFERENCE,)), (paths.models, (_REFERENCE, _NAMED_KEY))):
        found |= _matches(_text(path), patterns)
    for names in _PASSED.findall(_text(paths.config_path)):
        found |= set(re.findall(r"\w+", names))
    return {name for name in found if not name.startswith("XOPC_") and name not in {"HOME", "PATH", *_CARRIED}}


def _matches(text: str, patterns: Iterable[re.Pattern[str]]) -> set[str]:
    return {name for pattern in patterns for name in pattern.findall(text)}


def _text(path: Path) -> str:
    try:
        return read_regular(path).decode("utf-8", "replace")
    except OSError:
        return ""

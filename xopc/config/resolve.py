"""From flags, environment and file to the configuration in force."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from xopc.config.auth import resolve_auth, resolve_rate_limit
from xopc.config.bind import Binding, resolve_binding, surroundings
from xopc.config.findings import Findings
from xopc.config.load import Document, load_document, settings_in
from xopc.config.paths import Paths, resolve_paths
from xopc.contracts.auth import Auth, RateLimit
from xopc.contracts.settings import Settings
from xopc_supervisor.contract import Address


@frozen
class Flags:
    """Command-line settings, which outrank environment and file."""

    port: int | None = None
    """0 asks the kernel for a free port."""
    bind: str | None = None
    token: str | None = field(default=None, repr=False)


@frozen
class Resolved:
    """The configuration in force. Resolving it again, with the same flags, is a reload."""

    paths: Paths
    settings: Settings
    auth: Auth
    binding: Binding
    port: int
    warnings: tuple[str, ...]
    """What was found odd but survivable, a sentence each."""
    flags: Flags = Flags()
    """Those that it was resolved with, and a generated token that no file could take: hand them on."""
    first_run: bool = False
    """Whether this start wrote the configuration file, because there was none."""
    content: bytes | None = field(default=None, repr=False, eq=False)
    """The text of the file that these settings were read from, references and all; None where there was no file."""
    rate_limit: RateLimit = field(default=RateLimit())
    refusal: str | None = None
    """Where the file does not validate and its last accepted copy is in force: why, and what to do."""

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where to listen, the main address first."""
        return self.binding.addresses(self.port)

    def look_again(self, environ: Mapping[str, str]) -> Binding:
        """The binding as it is now: the host's addresses come and go.

        Raises:
            OSError: the host does not tell.
        """
        return resolve_binding(self.settings.gateway, self.flags.bind, surroundings(environ), Findings())


def resolve(environ: Mapping[str, str], flags: Flags) -> Resolved:
    """Read the file and weigh it against environment and flags. Changes nothing on disk.

    In mode `token` without any token, `auth.secret` is None; `setup.prepare` generates one.

    Raises:
        ConfigError: with a path and a cure for each problem: of the paths, else of the file, else of the rest.
        OSError: the disk fails; it may work later.
    """
    paths = resolve_paths(environ)
    return weigh(paths, load_document(paths.config_path), str(paths.config_path), environ, flags)


def weigh(paths: Paths, document: Document | None, file: str, environ: Mapping[str, str], flags: Flags) -> Resolved:
    """What is in force where `document` is the configuration; problems in it are told of `file`.

    Raises:
        ConfigError: with a path and a cure for each problem.
    """
    findings = Findings()
    settings = settings_in(document, environ, findings)
    # What follows judges the settings together, and would misjudge those that could not be read.
    findings.check(file)
    auth = resolve_auth(settings.gateway.auth, environ, flags.token, findings)
    rate_limit = resolve_rate_limit(settings.gateway.auth.rate_limit, environ, findings)
    binding = resolve_binding(settings.gateway, flags.bind, surroundings(environ), findings)
    if flags.port is not None and not 0 <= flags.port <= 65535:
        findings.refuse("--port", "must be 1 to 65535, or 0 for any free port")
    findings.check(file)
    port = settings.gateway.port if flags.port is None else flags.port
    content = document.content if document else None
    warnings = tuple(findings.warnings)
    return Resolved(paths, settings, auth, binding, port, warnings, flags, content=content, rate_limit=rate_limit)

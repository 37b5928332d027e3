"""From flags, environment and file to the configuration in force."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from attrs import evolve, field, frozen

from xopc.config.audit import STRICT_VARIABLE, AuditFinding, CheckId, Severity, audit
from xopc.config.auth import MODE_VARIABLE, resolve_auth, resolve_rate_limit
from xopc.config.bind import Binding, resolve_binding, surroundings
from xopc.config.certificate import Certificate
from xopc.config.findings import Findings
from xopc.config.load import Document, load_document, settings_in
from xopc.config.paths import Paths, resolve_paths
from xopc.config.profile import DEFAULT, profile_of
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.config.secrets.snapshot import gather, read_settings
from xopc.config.sharing import shares_history
from xopc.config.tailscale import check_tailscale
from xopc.config.tls import TlsFiles, resolve_tls
from xopc.config.workspace import with_workspace
from xopc.contracts.auth import Auth, AuthMode, RateLimit, SecretSource
from xopc.contracts.settings.file import Settings
from xopc_supervisor.contract import Address, is_on

PORT_VARIABLE = "XOPC_GATEWAY_PORT"
MAX_PORT = 65535


@frozen
class Flags:
    """Command-line settings, which outrank environment and file."""

    port: int | None = None
    """0 asks the kernel for a free port."""
    bind: str | None = None
    token: str | None = field(default=None, repr=False)
    generated: str | None = None
    """The SHA-256 in hex of the token that this start generated, where it did."""
    unconfigured: bool = False
    """Whether to do without a configuration file, rather than to write one."""
    watch: bool = False
    """Whether a new process takes over when the sources of this one change."""


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
    tls: TlsFiles | None = None
    """What HTTPS is spoken with; None: the port speaks plain HTTP."""
    certificate: Certificate | None = field(default=None, repr=False, eq=False)
    """What was in these files, where it was made sure of: see `setup.prepare`."""
    refusal: str | None = None
    """Where the file does not validate and its last accepted copy is in force: why, and what to do."""
    secrets: Secrets = field(default=NO_SECRETS, repr=False)
    """What was put in place of the references to secrets that are kept elsewhere."""
    strict: bool = False
    """Whether what is critical in `audit` refuses a configuration."""
    profile: str = DEFAULT

    @property
    def audit(self) -> tuple[AuditFinding, ...]:
        """What the security audit has to say of it, the worst first."""
        origins = self.settings.gateway.cors_origins
        has_tls = self.tls is not None
        return audit(
            self.auth,
            self.binding,
            origins,
            self.rate_limit,
            strict=self.strict,
            has_tls=has_tls,
            shares_history=shares_history(self.settings),
        )

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


def resolve(
    environ: Mapping[str, str], flags: Flags, *, known: Secrets = NO_SECRETS, section: str | None = None
) -> Resolved:
    """Read the file and weigh it against environment and flags. Changes nothing on disk.

    In mode `token` without any token, `auth.secret` is None; `setup.prepare` generates one.

    No program is asked again for a secret that is `known`. With `section`, only the secrets of that part are looked up:
    commands need no keys of models, and a program that tells one may want a finger on a key.

    Raises:
        ConfigError: with a path and a cure for each problem: of the paths, else of the file, else of the rest.
        OSError: the disk fails; it may work later.
    """
    paths = resolve_paths(environ)
    document = load_document(paths.config_path)
    return weigh(paths, document, str(paths.config_path), environ, flags, known=known, section=section)


def weigh(
    paths: Paths,
    document: Document | None,
    file: str,
    environ: Mapping[str, str],
    flags: Flags,
    *,
    known: Secrets = NO_SECRETS,
    section: str | None = None,
) -> Resolved:
    """What is in force where `document` is the configuration; problems in it are told of `file`. For `known` and
    `section` see `resolve`.

    Raises:
        ConfigError: with a path and a cure for each problem.
    """
    findings = Findings()
    secrets = NO_SECRETS
    if document and (sources := read_settings(document.values, environ, findings)) is not None:
        secrets = gather(document.values, sources, paths.config_path.parent, environ, known=known, section=section)
    settings = settings_in(document, environ, findings, secrets)
    # What follows judges the settings together, and would misjudge those that could not be read.
    findings.check(file)
    auth = _marked(resolve_auth(settings.gateway.auth, environ, flags.token, findings), flags.generated)
    rate_limit = resolve_rate_limit(settings.gateway.auth.rate_limit, environ, findings)
    check_tailscale(settings.gateway, auth, findings)
    binding = resolve_binding(settings.gateway, flags.bind, surroundings(environ), findings)
    tls = resolve_tls(settings.gateway.tls, paths, environ, findings)
    paths = with_workspace(paths, settings.agents.defaults.workspace, environ, findings)
    port = _port(flags.port, environ, settings.gateway.port, findings)
    findings.check(file)
    content = document.content if document else None
    warnings = tuple(findings.warnings)
    strict = settings.gateway.security.strict or is_on(environ.get(STRICT_VARIABLE))
    resolved = Resolved(
        paths,
        settings,
        auth,
        binding,
        port,
        warnings,
        flags,
        content=content,
        rate_limit=rate_limit,
        tls=tls,
        secrets=secrets,
        strict=strict,
        profile=profile_of(environ),
    )
    if strict:
        _refuse_critical(resolved.audit, environ, findings)
        findings.check(file)
    return resolved


def _port(flag: int | None, environ: Mapping[str, str], configured: int, findings: Findings) -> int:
    """The strongest that is given: flag, then environment, then file."""
    text = environ.get(PORT_VARIABLE, "").strip()
    if flag is not None:
        if not 0 <= flag <= MAX_PORT:
            findings.refuse("--port", f"must be 1 to {MAX_PORT}, or 0 for any free port")
        return flag
    if not text:
        return configured
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= MAX_PORT:
        findings.refuse(PORT_VARIABLE, f"must be 1 to {MAX_PORT}: set it to a port, or unset it")
        return configured
    return int(text)


def _marked(auth: Auth, generated: str | None) -> Auth:
    """Tell of a token that it is the generated one, wherever it was read from."""
    if auth.secret is None or sha256(auth.secret.encode()).hexdigest() != generated:
        return auth
    return evolve(auth, source=SecretSource.GENERATED)


def _refuse_critical(audit: Iterable[AuditFinding], environ: Mapping[str, str], findings: Findings) -> None:
    for finding in audit:
        if finding.severity is Severity.CRITICAL:
            why = f"{finding.check_id.value}, which gateway.security.strict refuses"
            what = f"{finding.title} ({why}): {finding.remediation}"
            findings.refuse(_place(finding.check_id, environ), what)


def _place(check: CheckId, environ: Mapping[str, str]) -> str:
    """Where to look: at the variable, where one outranks the file."""
    is_outranked = environ.get(MODE_VARIABLE, "").strip().lower() == AuthMode.NONE.value
    return MODE_VARIABLE if check is CheckId.NONE_ON_NETWORK and is_outranked else check.place

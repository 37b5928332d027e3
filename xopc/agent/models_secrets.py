"""References in `models.json`: the same `${…}` as in the configuration, relative to the folder of `models.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from attrs import field, frozen

from xopc.config.findings import Findings
from xopc.config.load import MAX_BYTES
from xopc.config.parse import NotJsonError, parse
from xopc.config.regular import read_regular
from xopc.config.secrets.references import NO_SECRETS, Secrets, has_reference
from xopc.config.secrets.snapshot import gather
from xopc.config.substitute import substitute
from xopc.contracts.convert import JsonObject
from xopc.contracts.settings.secrets import SecretsSettings


@frozen
class Replaced:
    """The file with what its references stand for."""

    values: JsonObject = field(repr=False)
    secrets: Secrets = NO_SECRETS
    warnings: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()
    """The providers that lack something that they refer to. Without it, a key could go to another address."""
    literal: frozenset[str] = frozenset()
    """The providers whose key was referred to: what came in names neither a variable nor a program."""


def replace_references(
    values: JsonObject,
    settings: SecretsSettings,
    directory: Path,
    environ: Mapping[str, str],
    known: Secrets = NO_SECRETS,
) -> Replaced:
    """The values of a file in `directory`, each reference replaced; a provider that lacks one is left out, and told.

    A key that is a command (`!op read …`) stays as it is: nothing secret gets onto a command line.
    """
    secrets = gather(values, settings, directory, environ, known=known)
    section: object = values.get("providers")
    if not isinstance(section, dict):
        return Replaced(values, secrets)
    entries = cast("JsonObject", section)
    providers, warnings = dict[str, object](), list[str]()
    for provider, entry in entries.items():
        findings = Findings()
        command = _command(entry)
        alone = {"providers": {provider: {**entry, "apiKey": None} if command else entry}}
        shown = substitute(alone, environ, findings, secrets)["providers"][provider]
        warnings += [f"models.json, {warning.removeprefix('$.')}" for warning in findings.warnings]
        if findings.problems:
            warnings += [
                f"models.json, {problem.path.removeprefix('$.')}: {problem.what}; the provider is not used"
                for problem in findings.problems
            ]
        else:
            providers[provider] = {**shown, "apiKey": command} if command else shown
    left_out = frozenset(entries) - providers.keys()
    literal = frozenset(provider for provider, entry in entries.items() if _refers(entry))
    return Replaced({**values, "providers": providers}, secrets, tuple(warnings), left_out, literal)


def look_up(
    path: Path, settings: SecretsSettings, environ: Mapping[str, str], known: Secrets = NO_SECRETS
) -> Secrets | None:
    """The secrets that `models.json` at `path` refers to now; None where it cannot be read. Waits for the disk."""
    try:
        values, _ = parse(read_regular(path, MAX_BYTES).decode("utf-8-sig"))
    except FileNotFoundError:
        return NO_SECRETS
    except (OSError, NotJsonError, UnicodeDecodeError):
        return None
    return gather(values, settings, path.parent, environ, known=known)


def _refers(entry: object) -> bool:
    key = cast("JsonObject", entry).get("apiKey") if isinstance(entry, dict) else None
    return has_reference(key) or isinstance(key, dict)


def _command(entry: object) -> str | None:
    key = cast("JsonObject", entry).get("apiKey") if isinstance(entry, dict) else None
    return key if isinstance(key, str) and key.lstrip().startswith("!") else None

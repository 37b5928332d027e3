"""What stands for a secret in a text of the configuration: `${file:PATH}`, `${credential:NAME}`, `${command:NAME}`.

Pure: where the values come from is in `snapshot.py`, and how they are put in place in `config/substitute.py`, beside
those of the environment, `${NAME}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias, cast

from attrs import evolve, field, frozen

from xopc.contracts.convert import join
from xopc.contracts.settings.secrets import SecretCommand

Keys: TypeAlias = "tuple[str | int, ...]"


class Source(Enum):
    """Where a secret is kept."""

    FILE = "file"
    CREDENTIAL = "credential"
    """A file that the service manager hands over, in `CREDENTIALS_DIRECTORY`."""
    COMMAND = "command"
    """What a program of `secrets.commands` prints."""


@frozen
class Reference:
    """One secret that is kept elsewhere."""

    source: Source
    name: str
    """A path, or the name of a credential or a command."""

    def __str__(self) -> str:
        return f"${{{self.source.value}:{self.name}}}"


@frozen
class Secrets:
    """One snapshot: what each reference stands for. Equal to another where all of them stand for the same."""

    found: Mapping[Reference, str] = field(factory=dict[Reference, str], repr=False)
    lost: Mapping[Reference, str] = field(factory=dict[Reference, str])
    """Those that cannot be had: why, and what to do."""
    files: frozenset[Path] = frozenset()
    """Where those that stand in files are looked for."""
    commands: Mapping[str, SecretCommand] = field(factory=dict[str, SecretCommand], eq=False)
    """The programs that were asked, by their names."""

    def without_lost(self) -> Secrets:
        """What is known, where those that could not be had are to be looked up once more."""
        return evolve(self, lost={})


NO_SECRETS = Secrets()

PATTERN = re.compile(
    r"""
    \$\$\{                                                                      # stands for a plain ${
    | \$\{ (?P<name>[A-Za-z_][A-Za-z0-9_]*) (?: :-(?P<default>[^{}]*) )? \}
    | \$\{ (?P<source>file|credential|command) : (?P<kept>[^{}]*) \}
    """,
    re.VERBOSE,
)


def reference_of(match: re.Match[str]) -> Reference | None:
    """What a match of `PATTERN` refers to; None where that is the environment, or nothing."""
    return Reference(Source(match["source"]), match["kept"].strip()) if match["source"] else None


def references_in(value: object, keys: Keys = ()) -> Iterator[tuple[Keys, Reference]]:
    """Each reference in the texts of a JSON value, and the keys that lead to it."""
    match value:
        case str():
            for match in PATTERN.finditer(value):
                if (reference := reference_of(match)) is not None:
                    yield keys, reference
        case list():
            for index, item in enumerate(cast("list[object]", value)):
                yield from references_in(item, (*keys, index))
        case dict():
            for key, item in cast("dict[str, Any]", value).items():
                yield from references_in(item, (*keys, key))
        case _:
            pass


def has_reference(text: object) -> bool:
    """Whether a value of the configuration is a text that refers to the environment, or to a secret elsewhere."""
    return isinstance(text, str) and any(match["name"] or match["source"] for match in PATTERN.finditer(text))


def file_in(text: object) -> str | None:
    """The path of the file that a text refers to, where it is nothing but that."""
    match = PATTERN.fullmatch(text) if isinstance(text, str) else None
    reference = reference_of(match) if match else None
    return reference.name if reference is not None and reference.source is Source.FILE else None


def has_leftover(text: str) -> bool:
    """Whether a text holds a `${` that refers to nothing."""
    return "${" in PATTERN.sub("", text)


def as_text(value: dict[str, Any]) -> str | None:
    """OpenClaw's `{"source": "env", "provider": "default", "id": "NAME"}` as a text with a reference; None where the
    object is nothing of the kind.

    Raises:
        ValueError: it is, and this form of it is not supported. The message says what to write.
    """
    source, name = value.get("source"), value.get("id")
    if not isinstance(source, str) or not isinstance(name, str) or value.keys() - {"source", "provider", "id"}:
        return None
    if source == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return f"${{{name}}}"
    cures = {
        "env": "name an environment variable in id, of letters, digits and underscores",
        "file": 'name the file itself, which holds nothing but the secret: "${file:PATH}"',
        "exec": 'put the program into secrets.commands, and write "${command:NAME}"',
    }
    cure = cures.get(source, 'write "${NAME}", "${file:PATH}", "${credential:NAME}" or "${command:NAME}"')
    raise ValueError(f"a secret of the source {source[:32]!r} cannot be had by such an object: {cure}")


def path_of(keys: Keys) -> str:
    """The JSON path of the value at these keys: `$.gateway.auth.token`."""
    path = "$"
    for key in keys:
        path = join(path, key)
    return path

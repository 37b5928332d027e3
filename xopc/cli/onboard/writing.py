"""Weighs a draft as a start would, and writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xopc.agent.models_file import ModelsFile
from xopc.cli.gateway.auth_section import written_by_another
from xopc.cli.onboard.draft import Answers, Draft, draft
from xopc.config.load import Document, read_document
from xopc.config.resolve import Flags, Resolved, weigh
from xopc.config.setup import generate_token
from xopc.config.write import create_document, is_read_only, replace_document, text_of
from xopc.contracts.auth import AuthMode
from xopc.contracts.convert import JsonObject, structure_known
from xopc.contracts.errors import ConfigError, Failure, InvalidValueError, XopcError

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present


def complete(present: Present, answers: Answers) -> tuple[Draft, Resolved]:
    """The answers as files that validate, with a token for clients where they need one, and what will be in force.

    Raises:
        ConfigError: they do not validate: with a path and a cure for each problem.
    """
    made = draft(present, answers)
    resolved = _weigh(present, made)
    if resolved.auth.mode is AuthMode.TOKEN and resolved.auth.secret is None:
        made = draft(present, answers, generate_token())
        resolved = _weigh(present, made)
    try:
        structure_known(made.models, ModelsFile)
    except InvalidValueError as error:
        raise ConfigError(str(present.paths.models), *error.problems) from None
    return made, resolved


def write(present: Present, made: Draft) -> list[str]:
    """Write both files, each whole or not at all, readable by their owner alone. Returns warnings.

    `models.json` comes first: with it alone, everything is as it was.

    Raises:
        XopcError: one of them is read-only, or somebody else has changed it meanwhile.
        OSError: one of them cannot be written.
    """
    paths = present.paths
    for path, before, values in (
        (paths.models, present.models_document, made.models),
        (paths.config_path, present.document, made.config),
    ):
        if before is not None and values != before.values and is_read_only(path):
            raise XopcError(Failure.FORBIDDEN, f"{path} is read-only. Make it writable: chmod u+w {path}")
    warnings = _write(paths.models, present.models_document, made.models)
    return [*warnings, *_write(paths.config_path, present.document, made.config, even_if_empty=True)]


def _weigh(present: Present, made: Draft) -> Resolved:
    document = read_document(text_of(made.config))
    return weigh(present.paths, document, str(present.paths.config_path), present.environ, Flags())


def _write(path: Path, before: Document | None, values: JsonObject, *, even_if_empty: bool = False) -> list[str]:
    if before is None:
        if (values or even_if_empty) and not create_document(path, values):
            raise written_by_another(path)
        return []
    if values == before.values:
        return []
    if not replace_document(path, values, before.content):
        raise written_by_another(path)
    if before.plain:
        return []
    return [f"{path.name} was written without its comments; they stand in {path.name}.bak."]

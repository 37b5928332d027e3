"""Changes `gateway.auth` in the configuration file, and leaves the rest of it as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xopc.contracts.errors import ConfigError, Failure, Problem, XopcError

if TYPE_CHECKING:
    from xopc.contracts.convert import JsonObject


def change_auth(path: Path, change: Callable[[JsonObject], JsonObject]) -> list[str]:
    """Put what `change` makes of the section in its place, and make the file where there is none.

    Returns warnings.

    Raises:
        ConfigError: the file is no configuration.
        XopcError: it is read-only, or somebody else writes it; or what `change` raises. The file is as it was.
        OSError: it cannot be written.
    """
    from xopc.config.load import load_document
    from xopc.config.write import create_document, is_read_only, replace_document

    document = load_document(path)
    if document is None:
        if create_document(path, {"gateway": {"auth": change({})}}):
            return []
        raise written_by_another(path)
    gateway = _section(path, document.values, "gateway", "$.gateway")
    auth = _section(path, gateway, "auth", "$.gateway.auth")
    if is_read_only(path):
        raise XopcError(Failure.FORBIDDEN, f"{path} is read-only. Make it writable: chmod u+w {path}")
    values = {**document.values, "gateway": {**gateway, "auth": change(auth)}}
    if not replace_document(path, values, document.content):
        raise written_by_another(path)
    if document.plain:
        return []
    return [f"{path.name} was written without its comments; they stand in {path.name}.bak."]


def written_by_another(path: Path) -> XopcError:
    """What was asked for is not in the file, because two wrote it at once."""
    return XopcError(Failure.CONFLICT, f"{path} was written by somebody else in this moment. Try again.")


def _section(path: Path, values: JsonObject, name: str, where: str) -> JsonObject:
    section: object = values.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError(str(path), Problem(where, "must be an object"))
    return {**cast("JsonObject", section)}

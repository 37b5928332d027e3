"""What a backup says of itself: the last member of its archive, so that one that was cut off has none."""

from __future__ import annotations

import json
from datetime import datetime

from attrs import field, frozen

from xopc import __version__
from xopc.contracts.convert import structure_known, unstructure
from xopc.contracts.errors import Failure, InvalidValueError, XopcError
from xopc.storage.migrate import LATEST_SCHEMA

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.db"
CONFIG = "xopc.json"
ACCEPTED = "accepted.json"
MODELS = "models.json"
CREDENTIALS = "credentials"
SECRETS = "secrets"
SERVICE = "service"
WORKSPACE = "workspace"
PARTS = (CONFIG, ACCEPTED, MODELS, DATABASE, CREDENTIALS, SECRETS, SERVICE, WORKSPACE)
"""The names at the top of an archive, in their order in it."""
FILES = frozenset({CONFIG, ACCEPTED, MODELS, DATABASE})
"""Those of them that are no folders."""


@frozen
class StoredFile:
    """One file of a backup."""

    path: str
    """In the archive: a part, and below a folder the way to it."""
    bytes: int
    sha256: str

    @classmethod
    def of(cls, name: str, size: int, sha256: str) -> StoredFile:
        """A file by its name in the archive, which need not be text: no two of them are spelled alike."""
        return cls(spelled(name), size, sha256)


@frozen
class LeftOut:
    """Something that a backup does not hold."""

    path: str
    why: str
    """In words, such as `a link`."""


@frozen
class Manifest:
    """What a backup holds."""

    format: int
    version: str
    """Of the xopc that made it."""
    schema: int
    """Of the database in it; 0 where there was none."""
    created_at: str
    """ISO 8601, UTC."""
    parts: tuple[str, ...]
    """Those that were looked for: one of them without a file was not there."""
    files: tuple[StoredFile, ...]
    left_out: tuple[LeftOut, ...] = ()
    left_out_count: int = field(default=0)
    """Of all that was left out, of which `left_out` names the first ones."""

    @property
    def bytes(self) -> int:
        """Of all files, unpacked."""
        return sum(file.bytes for file in self.files)

    def to_json(self) -> bytes:
        """As it stands in the archive."""
        return (json.dumps(unstructure(self), indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """What `to_json` made, perhaps in another version of xopc.

        Raises:
            XopcError: it is none; or what it describes is newer than this version can put back.
        """
        try:
            value: object = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise _no_manifest("it is no JSON object")
        _refuse_newer(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
        try:
            manifest, _ = structure_known(value, cls)  # pyright: ignore[reportUnknownArgumentType] - JSON
            datetime.fromisoformat(manifest.created_at)
        except InvalidValueError as error:
            raise _no_manifest(error.message) from error
        except ValueError as error:
            raise _no_manifest("$.createdAt: is no point in time") from error
        return manifest


def spelled(name: str) -> str:
    """The name of a file as text, whatever bytes it is made of."""
    return name.replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode()


def _refuse_newer(value: dict[str, object]) -> None:
    version = str(value.get("version", "unknown"))[:40]
    for name, known in (("format", FORMAT), ("schema", LATEST_SCHEMA)):
        found = value.get(name)
        if isinstance(found, int) and found > known:
            message = (
                f"The backup was made by xopc {version} ({name} {found}), and this one, {__version__}, knows {name} "
                f"{known}: install xopc {version} or a newer one, and restore with that. Nothing was changed."
            )
            raise XopcError(Failure.CONFLICT, message)


def _no_manifest(why: str) -> XopcError:
    return XopcError(Failure.CONFLICT, f"The backup's {MANIFEST} cannot be read ({why}). Use another backup.")

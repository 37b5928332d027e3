"""`xopc config schema`."""

from __future__ import annotations

import json
from typing import get_args, get_origin

from xopc.cli.output import print_json
from xopc.contracts.convert import JsonObject
from xopc.contracts.schemas import Schemas
from xopc.contracts.settings.file import Settings
from xopc_supervisor.contract import EXIT_OK

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> int:
    """Print the JSON Schema of the configuration file, for editors that complete and check it."""
    print_json(document())
    return EXIT_OK


def document() -> JsonObject:
    """The JSON Schema of a configuration file that is plain JSON, with nothing in it that xopc does not know."""
    schemas = _Schemas()
    root = schemas.refer(Settings, sent=False)
    text = json.dumps({"$schema": DIALECT, "title": "xopc.json", **root, "$defs": schemas.components})
    return json.loads(text.replace('"#/components/schemas/', '"#/$defs/'))


class _Schemas(Schemas):
    """Tells of a map what its values are, too: a configuration has maps of accounts and of groups."""

    def refer(self, kind: object, *, sent: bool) -> JsonObject:
        if get_origin(kind) is dict:
            return {"type": "object", "additionalProperties": self.refer(get_args(kind)[1], sent=sent)}
        return super().refer(kind, sent=sent)

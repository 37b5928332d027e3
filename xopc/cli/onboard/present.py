"""What there is before the set-up: the files as they stand, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from attrs import field, frozen

from xopc.config.load import Document, load_document
from xopc.config.paths import Paths
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, Problem
from xopc.contracts.settings.file import Settings

if TYPE_CHECKING:
    from xopc.agent.models import Models
    from xopc.cli.gateway.target import Target


@frozen
class Present:
    """A gateway as it is set up when the command looks."""

    environ: Mapping[str, str] = field(repr=False)
    paths: Paths
    document: Document | None = field(repr=False)
    """`xopc.json`; None where there is none."""
    models_document: Document | None = field(repr=False)
    """`models.json`, likewise."""
    settings: Settings = field(repr=False)
    models: Models = field(repr=False)
    running_pid: int | None = None
    """Of the supervisor, while a gateway runs with this configuration."""

    @property
    def model(self) -> str | None:
        """The model that somebody has chosen in the files; None where there is none."""
        from xopc.agent.models import OFFLINE

        ref = self.models.choose(self.settings.agents.defaults.model)[0]
        provider = ref.partition("/")[0]
        is_chosen = self.settings.agents.defaults.model is not None
        is_named = provider in self.settings.providers or provider in self.servers
        return ref if ref != OFFLINE and (is_chosen or is_named) else None

    @property
    def servers(self) -> Mapping[str, str]:
        """The providers of `models.json`, each with its base URL; that is empty for one of a known provider."""
        listed: object = self.models_document.values.get("providers") if self.models_document else None
        entries = cast("JsonObject", listed).items() if isinstance(listed, dict) else ()
        return {
            id_: str(cast("JsonObject", entry).get("baseUrl") or "").rstrip("/")
            for id_, entry in entries
            if isinstance(entry, dict)
        }


def look(target: Target) -> Present:
    """Read the files.

    Raises:
        ConfigError: one of them cannot be read, or does not validate: it has to be mended before something is added.
        OSError: the disk fails.
    """
    from xopc.agent.models import load_models

    document = load_document(target.paths.config_path)
    models_document = load_document(target.paths.models)
    if target.resolved is None:
        raise target.config_error or ConfigError(str(target.paths.config_path))
    settings = target.resolved.settings
    models = load_models(target.paths.models, settings, target.environ)
    if models.error is not None:
        what = f"does not validate ({models.error}): mend it, or move it away"
        raise ConfigError(str(target.paths.models), Problem(str(target.paths.models), what))
    owner = target.owner
    return Present(
        environ=target.environ,
        paths=target.paths,
        document=document,
        models_document=models_document,
        settings=settings,
        models=models,
        running_pid=owner.pid if owner else None,
    )

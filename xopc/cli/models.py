"""`xopc models`: which models agents can be given, and which one they have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import print_json, print_table, without_controls
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.agent.models import Model, Models
    from xopc.config.resolve import Resolved

app = App(name="models", help="Look at the models, and choose one.")


@app.command(name="list")
def list_models(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the models that are known by name, as this command's environment has their keys.

    A provider may have more than it lists: `xopc models set` takes any of them.
    """
    resolved, models = _load(config)
    chosen = models.choose(resolved.settings.agents.defaults.model)
    listed = [models.find(ref) for ref in dict.fromkeys([*models.listed(), *_others(models, chosen)])]
    if as_json:
        items = [_to_json(model, chosen) for model in listed]
        print_json(
            {"items": items, "default": chosen[0], "fallbacks": list(chosen[1:]), "warnings": [*models.warnings]}
        )
        return EXIT_OK
    rows = [
        (model.ref, model.name, f"{model.context_window:,}" if model.endpoint else "-", _use(model.ref, chosen))
        for model in listed
    ]
    print_table(("MODEL", "NAME", "CONTEXT", "USED AS"), rows)
    for warning in models.warnings:
        print(f"⚠️  {without_controls(warning)}", file=sys.stderr)
    return EXIT_OK


@app.command(name="set")
def set_model(
    model: Annotated[str, Parameter(help="provider/model, as `xopc models list` names it.")],
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Choose the model of every agent without one of its own."""
    from xopc.agent.models import UnknownModelError
    from xopc.cli.config.changing import set_
    from xopc.contracts.errors import Failure, XopcError

    _, models = _load(config)
    try:
        models.find(model)
    except UnknownModelError as error:
        raise XopcError(Failure.NOT_FOUND, str(error)) from None
    return set_("agents.defaults.model", model, as_json=as_json, config=config)


def _load(config: Path | None) -> tuple[Resolved, Models]:
    from xopc.agent.models import load_models
    from xopc.cli.gateway.target import read_environment
    from xopc.config.resolve import Flags, resolve

    environ = read_environment(config)
    resolved = resolve(environ, Flags())
    return resolved, load_models(resolved.paths.models, resolved.settings, environ)


def _others(models: Models, chosen: tuple[str, ...]) -> list[str]:
    """Those that are chosen and not listed, where there is such a model."""
    from xopc.agent.models import UnknownModelError

    others: list[str] = []
    for ref in chosen:
        try:
            others.append(models.find(ref).ref)
        except UnknownModelError:
            continue  # the warnings tell of it
    return others


def _use(ref: str, chosen: tuple[str, ...]) -> str:
    if ref not in chosen:
        return ""
    place = chosen.index(ref)
    return f"fallback {place}" if place else "default"


def _to_json(model: Model, chosen: tuple[str, ...]) -> dict[str, object]:
    return {
        "model": model.ref,
        "name": model.name,
        "provider": model.ref.partition("/")[0],
        "contextWindow": model.context_window if model.endpoint else None,
        "use": _use(model.ref, chosen) or None,
    }

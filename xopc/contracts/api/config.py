"""The bodies of the API for the configuration."""

from __future__ import annotations

from attrs import field, frozen

from xopc.contracts.convert import JsonObject
from xopc.contracts.whole import whole


@frozen
class Reloaded:
    """What came of reading the configuration file again."""

    reloaded: bool
    """Whether what the file says is in force, or will be after the restart that it takes; false where it is refused."""
    hot: tuple[str, ...] = ()
    """Keys that took effect at once: `gateway.corsOrigins`."""
    restart: tuple[str, ...] = ()
    """Keys that take effect with a restart."""
    error: str | None = None
    """Why the file is refused, with the path of each problem; nothing has changed then."""
    warning_count: int = 0
    """So many warnings are in the log."""


@frozen
class Config:
    """The configuration: the keys of the file with their defaults, and those that only extensions know. A secret is
    `***`, or empty where it is not set. A model of `agents.defaults` is a text, with its fallbacks in a list beside."""

    values: JsonObject = field(
        metadata=whole(
            {
                "gateway": {"port": 18790, "auth": {"mode": "token", "token": "***", "password": ""}},
                "agents": {"defaults": {"model": "openai/gpt-6-luna", "modelFallbacks": []}},
                "providers": {"openai": "***"},
            }
        ),
        repr=False,
    )


@frozen
class ConfigPatch:
    """The part of the configuration that is to change. Objects are merged, lists replaced, and null deletes a key. What
    is sent as it was shown, `***` among it, stays as it is in the file. Unknown keys are refused, unless the file has
    them. What the gateway would not start with is refused, too."""

    changes: JsonObject = field(metadata=whole({"agents": {"defaults": {"temperature": 0.5}}}), repr=False)


@frozen
class ConfigPayload:
    """The configuration as the file has it."""

    config: Config


@frozen
class ConfigShown:
    """`GET /api/config`."""

    ok: bool = field(default=True, kw_only=True)
    payload: ConfigPayload


@frozen
class ConfigChange:
    """The configuration as the file has it now, and what of the change is in force."""

    config: Config
    requires_restart: bool
    """Whether a part of it takes effect with a restart."""
    hot: tuple[str, ...] = ()
    """Keys that took effect at once."""
    restart: tuple[str, ...] = ()
    """Keys that take effect with a restart."""


@frozen
class ConfigChanged:
    """`PATCH /api/config`."""

    ok: bool = field(default=True, kw_only=True)
    payload: ConfigChange


@frozen
class ConfigReloaded:
    """`POST /api/config/reload`."""

    ok: bool = field(default=True, kw_only=True)
    payload: Reloaded

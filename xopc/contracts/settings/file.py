"""The configuration file as typed values: one class per section, its defaults, and what each key means.

Attribute names are the file's keys in snake case (`customBindHost` is `custom_bind_host`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from enum import Enum

from attrs import field, frozen
from attrs.validators import optional

from xopc.contracts.settings.access import (
    AuthSettings,
    ReloadSettings,
    SecuritySettings,
    are_hosts,
    are_networks,
    are_origins,
)
from xopc.contracts.settings.channels import ChannelsSettings, DeferMode
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.settings.heartbeat import HeartbeatSettings
from xopc.contracts.settings.outbox import OutboxSettings
from xopc.contracts.settings.routing import Binding, SessionSettings
from xopc.contracts.settings.secrets import SecretsSettings


class BindMode(Enum):
    """Which addresses the gateway listens at."""

    LOOPBACK = "loopback"
    LAN = "lan"
    AUTO = "auto"
    TAILNET = "tailnet"
    CUSTOM = "custom"


@frozen
class TlsSettings:
    """`gateway.tls`: whether the port speaks HTTPS. Both paths are needed, or none."""

    enabled: bool | None = None
    """Default: whether there is a `cert_path`."""
    cert_path: str | None = None
    """PEM: the certificate, and after it those that vouch for it. Relative to the configuration file."""
    key_path: str | None = None
    """PEM: the private key of the certificate."""
    key_password: str | None = field(default=None, repr=False)
    """Opens a key that is encrypted."""


def _is_port(_: object, __: object, port: int) -> None:
    if not 1 <= port <= 65535:
        raise ValueError("must be 1 to 65535")


def _is_positive(_: object, __: object, number: int) -> None:
    if number < 1:
        raise ValueError("must be 1 or more")


WATCHDOG_MIN_SECONDS = 3
"""Less is mistaken for a hang on a machine that is merely busy: a gateway says each second that it is alive."""


def _is_watchdog(_: object, __: object, seconds: float) -> None:
    if seconds != 0 and not WATCHDOG_MIN_SECONDS <= seconds <= 3600:
        raise ValueError(f"must be {WATCHDOG_MIN_SECONDS} to 3600, or 0 for no watchdog")


def _are_channel_ids(_: object, __: object, ids: tuple[str, ...]) -> None:
    if len(ids) > 24:
        raise ValueError("must be at most 24 ids of channels")


@frozen
class GatewaySettings:
    """`gateway`: where it listens, and whom it lets in."""

    bind: BindMode | None = None
    """Default: loopback, or what `host` implies."""
    custom_bind_host: str | None = None
    """The IPv4 address for `bind: custom`."""
    host: str | None = None
    """Older spelling of `bind`: an address."""
    port: int = field(default=18790, validator=_is_port)
    """1 to 65535. Another profile than the default one has another default, see `xopc.config.profile`."""
    auth: AuthSettings = field(default=AuthSettings())
    cors_origins: tuple[str, ...] = field(default=(), validator=are_origins)
    """Origins of the web pages that may use the API: `https://desk.example.com`, or `*` for all."""
    allowed_hosts: tuple[str, ...] = field(default=(), validator=are_hosts)
    """Names under which clients reach the gateway, beside its addresses and the machine's own name."""
    trusted_proxies: tuple[str, ...] = field(default=(), validator=are_networks)
    """Addresses and networks of reverse proxies, whose `X-Forwarded-For` counts."""
    allow_real_ip_fallback: bool = False
    """Whether their `X-Real-IP` counts where they send no `X-Forwarded-For`."""
    dangerously_allow_host_header_origin_fallback: bool = False
    """Whether a page may use the API of the host that it came from wherever the client is."""
    security: SecuritySettings = field(default=SecuritySettings())
    reload: ReloadSettings = field(default=ReloadSettings())
    tls: TlsSettings = field(default=TlsSettings())
    max_sse_connections: int = field(default=100, validator=_is_positive)
    """So many clients may follow `GET /api/events` at once."""
    watchdog_seconds: float = field(default=30, validator=_is_watchdog)
    """After so long with an event loop that stands still the gateway is killed and started again; 0 is never."""
    standby: bool = False
    """Whether a spare process waits, with all of the code imported, to take over after a crash."""
    channel_connect_defer_mode: DeferMode | None = None
    """Default: auto."""
    channel_connect_defer_ids: tuple[str, ...] = field(default=(), validator=_are_channel_ids)
    """For mode `explicit`: the channels that connect late."""
    channel_connect_defer_skip_ids: tuple[str, ...] = field(default=(), validator=_are_channel_ids)
    """Channels that never connect late."""
    heartbeat: HeartbeatSettings = field(default=HeartbeatSettings())


@frozen
class CommandSettings:
    """`commands`: what may be asked of a running gateway."""

    restart: bool = True
    """Whether SIGUSR1, `xopc gateway restart` and `POST /api/restart` restart it."""


MAIN_AGENT = "main"
"""The agent that there is without any in `agents.list`."""


def _is_model(_: object, __: object, model: object) -> None:
    if isinstance(model, str) and model and not re.fullmatch(r"[^\s/]+/\S+", model):
        raise ValueError('must be "provider/model", such as "openai/gpt-6-luna"')


def _are_models(_: object, __: object, models: tuple[str, ...]) -> None:
    for model in models:
        _is_model(None, None, model)


def _is_more_than_nothing(_: object, __: object, number: float) -> None:
    if number <= 0:
        raise ValueError("must be more than 0")


def _within(least: float, most: float) -> Callable[[object, object, float], None]:
    def check(_: object, __: object, value: float) -> None:
        if not least <= value <= most:
            raise ValueError(f"must be {least} to {most}")

    return check


@frozen
class ModelChoice:
    """A model, and those to try where it fails."""

    primary: str = field(validator=_is_model)
    fallbacks: tuple[str, ...] = field(default=(), validator=_are_models)


@frozen
class AgentDefaults:
    """`agents.defaults`: what holds for each agent that does not say otherwise."""

    model: str | ModelChoice | None = field(default=None, validator=_is_model)
    """`provider/model`, or `{primary, fallbacks}`. Default: that of the first configured provider."""
    image_model: str | ModelChoice | None = field(default=None, validator=_is_model)
    """Reads pictures."""
    image_generation_model: str | ModelChoice | None = field(default=None, validator=_is_model)
    """Makes pictures."""
    media_max_mb: float | None = field(default=None, validator=optional(_is_more_than_nothing))
    max_tokens: int = field(default=8192, validator=_within(1, 1_000_000))
    """Of one answer of a model."""
    temperature: float = field(default=0.7, validator=_within(0, 2))
    max_tool_iterations: int = field(default=20, validator=_within(1, 1000))
    """How often in one turn the model may ask for tools."""
    max_task_duration_ms: int = field(default=300_000, validator=_within(60_000, 3_600_000))
    """How long one turn may take."""
    workspace: str | None = None
    """The folder of `HEARTBEAT.md`. Relative to the configuration file; default: `workspace` in the state directory."""


@frozen
class AgentTools:
    """`agents.list[].tools`."""

    disable: tuple[str, ...] = ()
    """Names of tools that this agent does not get."""


def _is_agent_id(_: object, __: object, agent_id: str) -> None:
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", agent_id):
        raise ValueError("must be 1 to 64 of a-z, 0-9, _ and -")


@frozen
class AgentEntry:
    """One of `agents.list`."""

    id: str = field(validator=_is_agent_id)
    """The first segment of its session keys."""
    default: bool = False
    name: str | None = None
    enabled: bool = True
    model: str | ModelChoice | None = field(default=None, validator=_is_model)
    system_prompt_override: str | None = None
    tools: AgentTools = AgentTools()


def _have_different_ids(_: object, __: object, entries: tuple[AgentEntry, ...]) -> None:
    if twice := {agent_id for agent_id, count in Counter(entry.id for entry in entries).items() if count > 1}:
        raise ValueError(f"names the agent {min(twice)} twice: keep one")


@frozen
class AgentsSettings:
    """`agents`: who answers, and how."""

    default: str | None = field(default=None, validator=optional(_is_agent_id))
    """The id of the agent that answers where nothing names one."""
    defaults: AgentDefaults = AgentDefaults()
    list: tuple[AgentEntry, ...] = field(default=(), validator=_have_different_ids)

    @property
    def default_id(self) -> str:
        """`default` where it is enabled, else the entry that is marked as default, else the first."""
        ids = self.enabled_ids()
        marked = [entry.id for entry in self.list if entry.enabled and entry.default]
        return self.default if self.default in ids else (marked or ids)[0]

    def enabled_ids(self) -> tuple[str, ...]:
        """Those that may be asked; without a list there is one agent, `default` or `main`."""
        listed = tuple(entry.id for entry in self.list if entry.enabled)
        return listed or (MAIN_AGENT if self.list or self.default is None else self.default,)

    def entry(self, agent_id: str) -> AgentEntry:
        """What is set for an agent; nothing for one that is not listed."""
        return next((entry for entry in self.list if entry.id == agent_id), AgentEntry(agent_id))


@frozen
class Settings:
    """`xopc.json`."""

    gateway: GatewaySettings = GatewaySettings()
    commands: CommandSettings = CommandSettings()
    agents: AgentsSettings = AgentsSettings()
    providers: dict[str, str] = field(factory=dict[str, str], repr=False)
    """Keys of model providers by their ids."""
    channels: ChannelsSettings = field(default=ChannelsSettings())
    session: SessionSettings = field(default=SessionSettings())
    bindings: tuple[Binding, ...] = ()
    """Which messages are for which agent; all others are for the default one."""
    outbox: OutboxSettings = field(default=OutboxSettings())
    cron: CronSettings = field(default=CronSettings())
    secrets: SecretsSettings = field(default=SecretsSettings())

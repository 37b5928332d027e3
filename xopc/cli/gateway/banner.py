"""What `xopc gateway` prints: one block before the supervisor takes over, one when the gateway is ready."""

from __future__ import annotations

from xopc.cli.gateway.target import connectable
from xopc.cli.output import as_typed, preview
from xopc.config.audit import is_open_to_all
from xopc.config.bind import Binding
from xopc.config.profile import DEFAULT
from xopc.config.resolve import Resolved
from xopc.contracts.auth import AuthMode, SecretSource


def first_block(resolved: Resolved) -> str:
    """What is about to be started; on the first run with a welcome."""
    lines = [
        *(_welcome(resolved) if resolved.first_run else ()),
        "🚀 Starting xopc gateway...",
        *([] if resolved.profile == DEFAULT else [f"   Profile: {resolved.profile}"]),
        f"   Bind: {resolved.binding.mode.value} ({_where(resolved.binding)})",
        f"   Port: {resolved.port or 'any free one'}",
        *(f"⚠️  {warning}" for warning in resolved.warnings),
        "",
        "Press Ctrl+C to stop",
        "",
    ]
    return "\n".join(lines)


def second_block(resolved: Resolved) -> str:
    """Where it is and who may enter, `{port}` standing for the port."""
    scheme = "https" if resolved.tls else "http"
    url = f"{scheme}://{connectable(resolved.binding.hosts[0])}:{{port}}"
    return f"✅ Gateway started\n   URL: {url}\n   {_who_may_enter(resolved)}"


def _where(binding: Binding) -> str:
    """The main address; where it is not the one that was asked for, with the reason."""
    lack = binding.lack
    return f"{binding.hosts[0]}: {lack.problem.what}" if lack is not None and lack.required else binding.hosts[0]


def open_to_all_block(resolved: Resolved) -> str | None:
    """Three lines for whoever starts a gateway that anybody may use from anywhere; None for any other one."""
    if not is_open_to_all(resolved.auth, resolved.binding):
        return None
    return (
        f"⚠️  WARNING: this gateway asks nobody for a credential, and listens at all interfaces "
        f"({resolved.binding.hosts[0]}).\n"
        "⚠️  Whoever reaches its port may do everything: read each conversation, and act in your name.\n"
        "⚠️  Set gateway.auth.mode to token in its configuration, or gateway.bind to loopback."
    )


def _welcome(resolved: Resolved) -> list[str]:
    path = resolved.paths.config_path
    lines = ["👋 Welcome to xopc!"]
    if path.exists():
        lines.append(f"   Wrote {path}, the configuration.")
    if resolved.auth.mode is AuthMode.TOKEN and not _is_kept_in_memory(resolved):
        lines.append(as_typed("   `xopc gateway token` prints the token that clients have to present."))
    return [*lines, as_typed("   `xopc onboard` connects a model, a Telegram bot and the service."), ""]


def _who_may_enter(resolved: Resolved) -> str:
    secret = resolved.auth.secret
    match resolved.auth.mode:
        case AuthMode.NONE:
            return "Auth: none (whoever reaches the port may do everything)"
        case AuthMode.PASSWORD:
            return "Auth: password"
        case AuthMode.TOKEN if _is_kept_in_memory(resolved):
            return f"Token: {secret} (kept in memory alone, and shown nowhere else)"
        case AuthMode.TOKEN:
            return f"Token: {preview(secret or '')}"


def _is_kept_in_memory(resolved: Resolved) -> bool:
    """Whether the token was generated and could not be written down, so that nobody knows it yet."""
    return resolved.auth.source is SecretSource.GENERATED and resolved.flags.token == resolved.auth.secret

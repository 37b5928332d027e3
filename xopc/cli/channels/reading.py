"""`xopc channels list` and `status`: which channels are set up, and whether they are connected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import Parameter

from xopc.cli.answer import read_answer
from xopc.cli.options import ConfigOption, Duration, DurationOption, JsonOption
from xopc.cli.output import duration, one_line, print_json, print_table, seconds_since
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from xopc.channels.telegram.accounts import Bot
    from xopc.contracts.api.status import TreeNode

TREE_PATH = "/api/tree"
DEFAULT_TIMEOUT = Duration(10)
MAX_ERROR_CHARS = 200


@frozen
class _Account:
    """One account of a channel, as it is set up."""

    channel: str
    id: str
    enabled: bool
    private: str
    """Who may write to it in private."""
    bot: Bot | None = None


@frozen
class _Seen:
    """How it is with an account."""

    account: _Account
    state: str
    since: str | None = None
    error: str | None = None
    name: str | None = None
    """What its platform calls it, where it was asked."""

    @property
    def is_well(self) -> bool:
        return not self.account.enabled or (self.state == "running" and self.error is None)


def list_channels(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the accounts of all channels, as they are set up. A gateway does not have to run for it."""
    accounts = _accounts(config)
    if as_json:
        items = [{"channel": a.channel, "account": a.id, "enabled": a.enabled, "private": a.private} for a in accounts]
        print_json({"items": items})
        return EXIT_OK
    rows = [(a.channel, a.id, "enabled" if a.enabled else "disabled", a.private) for a in accounts]
    print_table(("CHANNEL", "ACCOUNT", "STATE", "IN PRIVATE"), rows)
    return EXIT_OK


def status(
    *,
    probe: Annotated[bool, Parameter(help="Ask each platform, too, whether it knows the account.")] = False,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 10s).")] = DEFAULT_TIMEOUT,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Tell whether the accounts of the running gateway are connected.

    The exit code is 1 where one that is enabled is not.
    """
    from xopc.cli.gateway.target import find_target
    from xopc.contracts.api.status import TreeNode

    accounts = _accounts(config)
    tree = read_answer(find_target(config).client(timeout).get(TREE_PATH), TreeNode)
    tasks = {node.name: node for node in _nodes(tree)}
    seen = [_seen(account, tasks) for account in accounts]
    if probe:
        seen = _probed(seen, timeout)
    if as_json:
        print_json({"ok": all(one.is_well for one in seen), "items": [_to_json(one) for one in seen]})
    else:
        head = ("CHANNEL", "ACCOUNT", "STATE", "FOR", *(("NAME",) if probe else ()), "ERROR")
        print_table(head, [_row(one, probed=probe) for one in seen])
    return EXIT_OK if all(one.is_well for one in seen) else EXIT_FAILURE


def _accounts(config: Path | None) -> tuple[_Account, ...]:
    """Those of the configuration: the console's, and the bots'."""
    from xopc.channels.telegram.accounts import resolve_bots
    from xopc.cli.gateway.target import read_environment
    from xopc.config.resolve import Flags, resolve

    settings = resolve(read_environment(config), Flags()).settings
    bots = resolve_bots(settings.channels.telegram)
    telegram = (_Account("telegram", bot.account, bot.enabled, bot.policy.dm.value, bot) for bot in bots)
    return (_Account("webchat", "default", enabled=True, private="whoever has the token"), *telegram)


def _nodes(node: TreeNode) -> Iterator[TreeNode]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _seen(account: _Account, tasks: Mapping[str, TreeNode]) -> _Seen:
    if not account.enabled:
        return _Seen(account, "disabled")
    if account.bot is None:
        return _Seen(account, "running")  # it is the gateway's own API
    node = tasks.get(f"{account.channel}:{account.id}")
    if node is None:
        return _Seen(account, "not running", error="the running gateway does not know it (yet)")
    return _Seen(account, node.state.value, node.since, node.last_error)


def _probed(seen: Sequence[_Seen], seconds: float) -> list[_Seen]:
    import trio
    from attrs import evolve

    from xopc.channels.base import ChannelError
    from xopc.channels.telegram.probe import probe

    def ask(one: _Seen) -> _Seen:
        if one.account.bot is None or not one.account.enabled:
            return one
        try:
            return evolve(one, name=trio.run(partial(probe, one.account.bot, seconds)))
        except ChannelError as error:
            return evolve(one, error=str(error))

    return [ask(one) for one in seen]


def _row(one: _Seen, *, probed: bool) -> tuple[str, ...]:
    past = seconds_since(one.since)
    since = "-" if past is None else duration(past)
    name = (one.name or "-",) if probed else ()
    return (one.account.channel, one.account.id, one.state, since, *name, one_line(one.error or "", MAX_ERROR_CHARS))


def _to_json(one: _Seen) -> dict[str, object]:
    return {
        "channel": one.account.channel,
        "account": one.account.id,
        "enabled": one.account.enabled,
        "state": one.state,
        "since": one.since,
        "error": one.error,
        "name": one.name,
    }

"""`xopc sessions delete`, `prune` and `forget`: what cannot be taken back is told before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import Parameter, validators

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, one_line, print_json
from xopc.cli.sessions.place import SESSIONS_PATH, TIMEOUT_SECONDS, KeyArgument, path_of
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.api.forget import Forgotten

LONG_SECONDS = 300.0
"""For what may delete very much."""
MAX_LISTED = 20
MAX_SHOWN_CHARS = 200
DAY_MS = 24 * 3600 * 1000

YesOption: TypeAlias = Annotated[
    bool, Parameter(name="--yes", negative="", help="Do it. Without, only tell what would be done.")
]


def delete(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Forget a session and its messages.

    What an agent is at work on there is stopped first.
    """
    body = find_target(config).client(TIMEOUT_SECONDS).delete(path_of(key))
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(f"✅ Session deleted: {key}")
    return EXIT_OK


def prune(
    *,
    unused_days: Annotated[
        float | None,
        Parameter(
            name="--unused-days",
            validator=validators.Number(gte=0),
            help="Those in which nothing was said for so many days.",
        ),
    ] = None,
    keep_newest: Annotated[
        int | None,
        Parameter(name="--keep-newest", validator=validators.Number(gte=0), help="All but so many, the last used."),
    ] = None,
    channel: Annotated[str | None, Parameter(help="Only those of this channel.")] = None,
    agent_id: Annotated[str | None, Parameter(name="--agent", help="Only those of this agent.")] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Forget the sessions that nobody uses.

    Never one that is archived or pinned, or that has a message waiting.
    """
    if unused_days is None and keep_newest is None:
        return fail("Say which: --unused-days 30, --keep-newest 500, or both.", as_json=as_json)
    wanted = {
        "unusedForMs": None if unused_days is None else round(unused_days * DAY_MS),
        "keepNewest": keep_newest,
        "channel": channel,
        "agentId": agent_id,
        "dryRun": not yes,
    }
    asked = {name: value for name, value in wanted.items() if value is not None}
    body = find_target(config).client(LONG_SECONDS).post(f"{SESSIONS_PATH}/prune", asked)
    if as_json:
        print_json({"ok": True, **body})
        return EXIT_OK
    from xopc.contracts.api.session_actions import SessionsPruned

    pruned = read_answer(body, SessionsPruned)
    _list(pruned.keys, pruned.count)
    if pruned.dry_run:
        wish = " To do it, add --yes." if pruned.count else ""
        print(f"{_count(pruned.count, 'session')} would be forgotten.{wish}")
    else:
        print(f"✅ {_count(pruned.count, 'session')} forgotten")
    return EXIT_OK


def forget(
    person: Annotated[str, Parameter(help="`<channel>:<id>`, or a name in session.identityLinks.")],
    /,
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Forget all of a person, in all sessions.

    What stays all the same, such as the log, is told in docs/how-to/forget-a-person.md.
    """
    asked = {"person": person, "dryRun": not yes}
    body = find_target(config).client(LONG_SECONDS).post(f"{SESSIONS_PATH}/forget", asked)
    if as_json:
        print_json({"ok": True, **body})
        return EXIT_OK
    from xopc.contracts.api.forget import Forgotten

    _tell(person, read_answer(body, Forgotten))
    return EXIT_OK


def _tell(person: str, gone: Forgotten) -> None:
    who = one_line(", ".join(gone.people) or person, MAX_SHOWN_CHARS)
    if not (gone.sessions or gone.shared_sessions or gone.inbox or gone.outbox or gone.dedupe_keys):
        print(f"Nothing of {who} was found")
        return
    print(f"{who} has left this:" if gone.dry_run else f"Of {who} this was forgotten:")
    if gone.sessions:
        print(f"  {_count(len(gone.sessions), 'session')} as a whole, with {_count(gone.messages, 'message')}")
        _list(gone.sessions, len(gone.sessions))
    if gone.shared_sessions:
        shared = _count(len(gone.shared_sessions), "session")
        print(f"  {_count(gone.redacted_messages, 'message')} redacted in {shared} that others share")
        _list(gone.shared_sessions, len(gone.shared_sessions))
    for number, place in ((gone.inbox, "inbox"), (gone.outbox, "outbox")):
        if number:
            print(f"  {_count(number, 'message')} of the {place}")
    if gone.dedupe_keys:
        print(f"  {_count(gone.dedupe_keys, 'key')} by which a message that comes again is known")
    if gone.dry_run:
        print(f"Nothing was changed. To forget all of it: xopc sessions forget {person} --yes")
    else:
        print("✅ Forgotten. What stays, such as the log: docs/how-to/forget-a-person.md")


def _list(keys: tuple[str, ...], count: int) -> None:
    for key in keys[:MAX_LISTED]:
        print(f"      {key}")
    if count > MAX_LISTED:
        print(f"      … and {count - MAX_LISTED} more")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""`xopc cron`: jobs that the gateway does at their time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias
from urllib.parse import quote

from cyclopts import App, Parameter

from xopc.cli.answer import read_answer
from xopc.cli.cron_schedule import read_schedule, told_next, told_schedule, told_time
from xopc.cli.gateway.target import find_target
from xopc.cli.message_text import TextArgument, TextOption, read_text
from xopc.cli.options import THERE_IS_MORE, ConfigOption, DurationOption, JsonOption, LimitOption
from xopc.cli.output import ago, as_typed, duration, one_line, print_json, print_table
from xopc_supervisor.contract import EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from pathlib import Path

    from xopc.client.http import Client, JsonObject
    from xopc.contracts.api.cron import CronExecution, CronJob

CRON_PATH = "/api/cron"
TIMEOUT_SECONDS = 10.0
MAX_TEXT_CHARS = 200
MAX_NAME_CHARS = 30

JobArgument: TypeAlias = Annotated[str, Parameter(help="The job's id, as `xopc cron list` shows it.")]
NameOption: TypeAlias = Annotated[str | None, Parameter(name="--name", help="For people.")]
ZoneOption: TypeAlias = Annotated[
    str | None, Parameter(name="--timezone", help="Of a cron expression: Europe/Berlin (default: the configuration's).")
]
ChannelOption: TypeAlias = Annotated[str | None, Parameter(name="--channel", help="Where the answer goes: telegram.")]
ChatOption: TypeAlias = Annotated[str | None, Parameter(name="--chat", help="The chat's id, as the channel spells it.")]
AccountOption: TypeAlias = Annotated[
    str | None,
    Parameter(name="--account", help="Which account of the channel sends it (default: default, or its first)."),
]
ModelOption: TypeAlias = Annotated[str | None, Parameter(name="--model", help="provider/model, for this job alone.")]
RetriesOption: TypeAlias = Annotated[
    int | None, Parameter(name="--retries", help="How often a failed run is tried again, 0 to 10 (a new job: 3).")
]
TimeoutOption: TypeAlias = Annotated[
    DurationOption | None, Parameter(name="--timeout", help="For one attempt: 1s to 5m (a new job: 1m).")
]

app = App(name="cron", help="Have things done at their time.")


@app.command(name="list")
def list_jobs(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the jobs, with when they run next and how they fared last."""
    body = _client(config).get(CRON_PATH)
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.cron import CronJobs

    jobs = read_answer(body, CronJobs).jobs
    if not jobs:
        print("No jobs")
        print(as_typed('💡 Make one: xopc cron add "0 9 * * *" "Good morning"'))
        return EXIT_OK
    now = datetime.now(UTC)
    print_table(
        ("ID", "NAME", "SCHEDULE", "NEXT RUN", "LAST RUN"),
        [
            (
                job.id,
                one_line(job.name or "-", MAX_NAME_CHARS),
                one_line(_schedule(job), MAX_TEXT_CHARS),
                told_next(job.next_run, now) if job.enabled else "off",
                _last(job),
            )
            for job in jobs
        ],
    )
    return EXIT_OK


@app.command
def show(job: JobArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Show one job."""
    body = _client(config).get(_path(job))
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.cron import CronJobRead

    print("\n".join(_description(read_answer(body, CronJobRead).job)))
    return EXIT_OK


@app.command
def add(
    schedule: Annotated[
        str, Parameter(help='A cron expression, "every 10m", "in 2h" or "at 2026-12-24T18:00"; in quotes.')
    ],
    text: TextArgument,
    /,
    *,
    name: NameOption = None,
    timezone: ZoneOption = None,
    channel: ChannelOption = None,
    chat: ChatOption = None,
    account: AccountOption = None,
    direct: Annotated[bool, Parameter(help="Send the text as it is: no agent reads it.")] = False,
    isolated: Annotated[bool, Parameter(help="In a session of the job's own, not in that of the chat.")] = False,
    model: ModelOption = None,
    retries: RetriesOption = None,
    timeout: TimeoutOption = None,
    disabled: Annotated[bool, Parameter(help="Do not run it yet.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Make a job."""
    try:
        when = read_schedule(schedule, datetime.now(UTC))
    except ValueError as error:
        return _explain_usage("add", str(error))
    if (channel is None) != (chat is None):
        return _explain_usage("add", "--channel and --chat belong together")
    if direct and chat is None:
        return _explain_usage("add", "--direct needs to know where to: --channel and --chat")
    if account is not None and channel is None:
        return _explain_usage("add", "--account needs to know of which channel: --channel and --chat")
    body: dict[str, Any] = {
        "schedule": when,
        "payload": _payload(read_text(text), is_turn=isolated),
        "enabled": not disabled,
        "sessionTarget": "isolated" if isolated else "main",
        **_common(name, timezone, model, retries, timeout),
        **_delivery(channel, chat, "direct" if direct else "announce", account),
    }
    answer = _client(config).post(CRON_PATH, body)
    if as_json:
        print_json({"ok": True, **answer})
        return EXIT_OK
    from xopc.contracts.api.cron import CronJobCreated

    made = read_answer(answer, CronJobCreated).job
    print(f"✅ Job made: {made.id}")
    print(f"   Next run: {told_next(made.next_run, datetime.now(UTC)) if made.enabled else 'off'}")
    return EXIT_OK


@app.command
def edit(
    job: JobArgument,
    /,
    *,
    schedule: Annotated[str | None, Parameter(help="Another schedule, as `xopc cron add` takes it.")] = None,
    text: TextOption = None,
    name: NameOption = None,
    timezone: ZoneOption = None,
    channel: ChannelOption = None,
    chat: ChatOption = None,
    account: AccountOption = None,
    model: ModelOption = None,
    retries: RetriesOption = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Change a job. What is not given stays."""
    body = _common(name, timezone, model, retries, timeout)
    if not body and schedule is text is channel is chat is account is None:
        return _explain_usage("edit", "say what to change, such as --schedule or --text")
    client = _client(config)
    if schedule is not None:
        try:
            body["schedule"] = read_schedule(schedule, datetime.now(UTC))
        except ValueError as error:
            return _explain_usage("edit", str(error))
    is_redirected = any(given is not None for given in (channel, chat, account))
    if text is not None or is_redirected:
        known = _known(client, job)
        if text is not None:
            body["payload"] = _payload(read_text(text), is_turn=known.payload.message is not None)
        if is_redirected:
            body |= _redirected(known, channel, chat, account)
    answer = client.patch(_path(job), body)
    if as_json:
        print_json({"ok": True, **answer})
        return EXIT_OK
    from xopc.contracts.api.cron import CronJobChanged

    print(f"✅ Job changed: {job}")
    print("\n".join(_description(read_answer(answer, CronJobChanged).job)))
    return EXIT_OK


@app.command
def delete(job: JobArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Forget a job and its history."""
    body = _client(config).delete(_path(job))
    return _told(body, f"✅ Job deleted: {job}", as_json=as_json)


@app.command
def enable(job: JobArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Run a job at its time again."""
    body = _client(config).post(f"{_path(job)}/toggle", {"enabled": True})
    return _told(body, f"✅ Job enabled: {job}", as_json=as_json)


@app.command
def disable(job: JobArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Keep a job, and do not run it at its time."""
    body = _client(config).post(f"{_path(job)}/toggle", {"enabled": False})
    return _told(body, f"✅ Job disabled: {job}", as_json=as_json)


@app.command
def run(job: JobArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Run a job now, also one that is disabled. Its schedule stays."""
    body = _client(config).post(f"{_path(job)}/run", {})
    return _told(body, f"✅ Job runs: {job}\n💡 See how it went: xopc cron history {job}", as_json=as_json)


@app.command
def history(
    job: Annotated[str | None, Parameter(help="The job's id (default: the runs of all jobs).")] = None,
    /,
    *,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """List the runs of a job, or of all, the newest first."""
    path = f"{CRON_PATH}/runs/history" if job is None else f"{_path(job)}/history"
    body = _client(config).get(path, {"limit": limit})
    if as_json:
        print_json(body)
        return EXIT_OK
    from xopc.contracts.api.cron import CronHistory

    page = read_answer(body, CronHistory)
    if not page.history:
        print("No runs")
        return EXIT_OK
    print_table(("JOB", "STARTED", "STATUS", "TOOK", "RESULT"), [_row(each) for each in page.history])
    if page.has_more:
        print(THERE_IS_MORE)
    return EXIT_OK


# ------------------------------------------------------------------ helpers


def _client(config: Path | None) -> Client:
    return find_target(config).client(TIMEOUT_SECONDS)


def _known(client: Client, job: str) -> CronJob:
    """A job as it is now."""
    from xopc.contracts.api.cron import CronJobRead

    return read_answer(client.get(_path(job)), CronJobRead).job


def _redirected(job: CronJob, channel: str | None, chat: str | None, account: str | None) -> JsonObject:
    """Another place for a job's answer, which is sent in the same way."""
    before = job.delivery
    if before is None:
        return _delivery(channel, chat, "announce", account)
    if account is None and channel in (None, before.channel):
        account = before.account_id
    mode = "direct" if before.mode.value == "direct" else "announce"
    return _delivery(channel or before.channel, chat or before.to, mode, account, best_effort=before.best_effort)


def _path(job: str) -> str:
    return f"{CRON_PATH}/{quote(job, safe='')}"


def _told(body: JsonObject, text: str, *, as_json: bool) -> int:
    if as_json:
        print_json({"ok": True, **body})
    else:
        print(text)
    return EXIT_OK


def _explain_usage(command: str, what: str) -> int:
    print(f"xopc cron {command}: {what}.\nSee: xopc cron {command} --help", file=sys.stderr)
    return EXIT_USAGE


def _payload(text: str, *, is_turn: bool) -> JsonObject:
    return {"kind": "agentTurn", "message": text} if is_turn else {"kind": "systemEvent", "text": text}


def _common(
    name: str | None, timezone: str | None, model: str | None, retries: int | None, timeout: float | None
) -> JsonObject:
    given = {
        "name": name,
        "timezone": timezone,
        "model": model,
        "maxRetries": retries,
        "timeout": None if timeout is None else round(timeout * 1000),
    }
    return {key: value for key, value in given.items() if value is not None}


def _delivery(
    channel: str | None, chat: str | None, mode: str, account: str | None, *, best_effort: bool = False
) -> JsonObject:
    if channel is None and chat is None and account is None:
        return {}
    others = {"accountId": account, "bestEffort": best_effort}
    return {"delivery": {"mode": mode, "channel": channel, "to": chat, **{k: v for k, v in others.items() if v}}}


def _schedule(job: CronJob) -> str:
    from xopc.contracts.convert import unstructure

    schedule = job.schedule if isinstance(job.schedule, str) else unstructure(job.schedule)
    return told_schedule(schedule, job.timezone)


def _last(job: CronJob) -> str:
    state = job.state
    if state.last_status is None or state.last_run_at_ms is None:
        return "running" if state.running_at_ms is not None else "-"
    at = datetime.fromtimestamp(state.last_run_at_ms / 1000, UTC).isoformat()
    return f"{state.last_status.value}, {ago(at)}"


def _description(job: CronJob) -> list[str]:
    lines = [
        f"{job.id}  {one_line(job.name or '-', MAX_TEXT_CHARS)}",
        f"   Schedule: {one_line(_schedule(job), MAX_TEXT_CHARS)}",
        f"   Next run: {told_next(job.next_run, datetime.now(UTC)) if job.enabled else 'off'}",
        f"   Last run: {_last(job)}",
        f"   Text: {one_line(job.payload.text or job.payload.message or '', MAX_TEXT_CHARS)}",
        f"   Session: {job.session_target.value}",
    ]
    delivery = job.delivery
    if delivery is not None and delivery.channel:
        account = f", account {delivery.account_id}" if delivery.account_id else ""
        place = f"{delivery.channel}{account}, chat {delivery.to}, {delivery.mode.value}"
        lines.append(f"   To: {one_line(place, MAX_TEXT_CHARS)}")
    if job.model:
        lines.append(f"   Model: {one_line(job.model, MAX_TEXT_CHARS)}")
    for label, problem in (("Error", job.state.last_error), ("Schedule error", job.schedule_error)):
        if problem:
            lines.append(f"   {label}: {one_line(problem, MAX_TEXT_CHARS)}")
    return lines


def _row(run: CronExecution) -> tuple[str, ...]:
    took = "-" if run.duration is None else duration(run.duration / 1000)
    tries = f" (try {run.retry_count + 1})" if run.retry_count else ""
    result = one_line(run.error or run.summary or "-", MAX_TEXT_CHARS)
    return run.job_id, told_time(run.started_at), f"{run.status.value}{tries}", took, result

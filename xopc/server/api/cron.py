"""Jobs: what is done at its time, and how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

from attrs import evolve

from xopc.contracts.api.cron import (
    AllHistoryQuery,
    ChangeJob,
    CreateJob,
    CronHistory,
    CronJobChanged,
    CronJobCreated,
    CronJobRead,
    CronJobs,
    CronMetrics,
    CronRemoved,
    CronToggled,
    CronTriggered,
    JobHistoryQuery,
    ToggleJob,
    TriggerJob,
)
from xopc.contracts.api.paging import cursor_of, place_of
from xopc.contracts.auth import Scope
from xopc.contracts.cron import Job, StoredJob
from xopc.contracts.errors import Failure, InvalidValueError, Problem, XopcError
from xopc.contracts.openapi.operations import Link
from xopc.core.cron.jobs import Circumstances, changed, made
from xopc.core.cron.schedule import ScheduleError
from xopc.server.api import cron_examples as examples
from xopc.server.api.cron_bodies import shown_job, shown_run, shown_schedule, shown_totals
from xopc.server.api.targets import check_model
from xopc.server.query import read_query
from xopc.server.routes import Call, Route
from xopc.server.services import Services


async def _list(call: Call[None]) -> CronJobs:
    return CronJobs(tuple(map(shown_job, await call.services.storage.jobs())))


async def _read(call: Call[None]) -> CronJobRead:
    return CronJobRead(shown_job(await _find(call)))


async def _create(call: Call[CreateJob]) -> CronJobCreated:
    services = call.services
    job = made(call.body, _circumstances(services))
    _check_models(job, None, services)
    try:
        stored = await services.cron.add(job)
    except ScheduleError as error:
        raise _never_comes(error) from None
    return CronJobCreated(job.id, shown_schedule(job.schedule), shown_job(stored))


async def _change(call: Call[ChangeJob]) -> CronJobChanged:
    given = _circumstances(call.services)

    def edited(job: Job) -> Job:
        after = changed(job, call.body, given)
        _check_models(after, job, call.services)
        return after

    return CronJobChanged(shown_job(await _edit(call, edited)))


def _check_models(job: Job, before: Job | None, services: Services) -> None:
    """Refuse models that nobody can ask; one that a job had before keeps nobody from changing something else."""
    if before is None or job.model != before.model:
        check_model(job.model, services.why_no_model)
    if before is None or job.payload.model != before.payload.model:
        check_model(job.payload.model, services.why_no_model, "$.payload.model")


async def _toggle(call: Call[ToggleJob]) -> CronToggled:
    wanted = call.body.enabled

    def flipped(job: Job) -> Job:
        return evolve(job, enabled=not job.enabled if wanted is None else wanted, updated_at=time.time())

    return CronToggled((await _edit(call, flipped)).job.enabled)


async def _remove(call: Call[None]) -> CronRemoved:
    if not await call.services.cron.remove(call.path["id"]):
        raise _unknown()
    return CronRemoved(True)


async def _trigger(call: Call[TriggerJob]) -> CronTriggered:
    return await _triggered(call.services, call.body.job_id)


async def _run(call: Call[None]) -> CronTriggered:
    return await _triggered(call.services, call.path["id"])


async def _history(call: Call[None]) -> CronHistory:
    query = read_query(call.query, JobHistoryQuery)
    stored = await _find(call)
    return await _runs(call, stored.job.id, query)


async def _all_history(call: Call[None]) -> CronHistory:
    return await _runs(call, None, read_query(call.query, AllHistoryQuery))


async def _runs(call: Call[None], job_id: str | None, query: JobHistoryQuery | AllHistoryQuery) -> CronHistory:
    name = job_id or "runs"
    place = place_of(query.cursor, name, 1)
    before = None if place is None else int(place[0])
    runs = await call.services.storage.job_runs(job_id, query.limit + 1, before)
    page, more = runs[: query.limit], runs[query.limit :]
    cursor = cursor_of(name, page[-1].seq) if more else None
    return CronHistory(tuple(map(shown_run, page)), query.limit, bool(more), cursor)


async def _metrics(call: Call[None]) -> CronMetrics:
    settings = call.services.settings.cron
    if not settings.enable_metrics:
        raise XopcError(Failure.NOT_FOUND, "Nothing is counted: cron.enableMetrics is false in the configuration.")
    return shown_totals(await call.services.storage.cron_totals(), is_enabled=settings.enabled)


async def _find(call: Call[None]) -> StoredJob:
    stored = await call.services.storage.job(call.path["id"])
    if stored is None:
        raise _unknown()
    return stored


async def _edit(call: Call[ChangeJob] | Call[ToggleJob], edit: Callable[[Job], Job]) -> StoredJob:
    try:
        stored = await call.services.cron.change(call.path["id"], edit)
    except ScheduleError as error:
        raise _never_comes(error) from None
    if stored is None:
        raise _unknown()
    return stored


async def _triggered(services: Services, job_id: str) -> CronTriggered:
    run = await services.cron.trigger(job_id)
    if run is None:
        raise _unknown()
    return CronTriggered(run.id)


def _circumstances(services: Services) -> Circumstances:
    enabled = {name: accounts for name, channel in services.channels.items() if (accounts := channel.accounts())}
    return Circumstances(time.time(), services.settings.cron.default_timezone, enabled)


def _never_comes(error: ScheduleError) -> XopcError:
    return InvalidValueError(Problem("$.schedule", f"is no schedule that ever comes: {error}"))


def _unknown() -> XopcError:
    return XopcError(Failure.NOT_FOUND, "There is no job with this id. GET /api/cron lists them.")


def _links(job_id: str) -> tuple[Link, ...]:
    """What may be asked of the job whose id stands at `job_id` in the answer."""
    of_path = {"id": f"$response.body#/{job_id}"}
    return (
        Link("read", "GET /api/cron/{id}", of_path),
        Link("run", "POST /api/cron/{id}/run", of_path),
        Link("history", "GET /api/cron/{id}/history", of_path),
        Link("toggle", "POST /api/cron/{id}/toggle", of_path),
        Link("remove", "DELETE /api/cron/{id}", of_path),
    )


CRON = Route(
    method="GET",
    path="/api/cron",
    summary="The jobs, the oldest first.",
    scope=Scope.READ,
    handler=_list,
    response=CronJobs,
    response_examples={HTTPStatus.OK: examples.JOBS},
    links=_links("jobs/0/id"),
)
CRON_ADD = Route(
    method="POST",
    path="/api/cron",
    summary="Make a job.",
    scope=Scope.WRITE,
    handler=_create,
    request=CreateJob,
    request_examples=examples.NEW_JOBS,
    response=CronJobCreated,
    response_examples={HTTPStatus.CREATED: examples.CREATED},
    status=HTTPStatus.CREATED,
    links=_links("id"),
    errors=(Failure.CONFLICT,),
)
CRON_CREATE = evolve(CRON_ADD, path="/api/cron/create", summary="Make a job: as `POST /api/cron`.")
CRON_TRIGGER = Route(
    method="POST",
    path="/api/cron/trigger",
    summary="Begin a run of a job now, also of one that is disabled. Its schedule stays.",
    scope=Scope.WRITE,
    handler=_trigger,
    request=TriggerJob,
    request_examples=examples.TRIGGER,
    response=CronTriggered,
    response_examples={HTTPStatus.OK: examples.TRIGGERED},
    errors=(Failure.NOT_FOUND, Failure.CONFLICT),
)
CRON_METRICS = Route(
    method="GET",
    path="/api/cron/metrics",
    summary="How the jobs have fared.",
    scope=Scope.READ,
    handler=_metrics,
    response=CronMetrics,
    response_examples={HTTPStatus.OK: examples.METRICS},
    errors=(Failure.NOT_FOUND,),
)
CRON_ALL_HISTORY = Route(
    method="GET",
    path="/api/cron/runs/history",
    summary="The runs of all jobs, the newest first.",
    scope=Scope.READ,
    handler=_all_history,
    query=AllHistoryQuery,
    response=CronHistory,
    response_examples={HTTPStatus.OK: examples.HISTORY},
)
CRON_JOB = Route(
    method="GET",
    path="/api/cron/{id}",
    summary="One job.",
    scope=Scope.READ,
    handler=_read,
    path_parameters={"id": examples.JOB_ID},
    response=CronJobRead,
    response_examples={HTTPStatus.OK: examples.READ},
    errors=(Failure.NOT_FOUND,),
)
CRON_CHANGE = Route(
    method="PATCH",
    path="/api/cron/{id}",
    summary="Change a job. A run of it that goes on is not affected.",
    scope=Scope.WRITE,
    handler=_change,
    path_parameters={"id": examples.JOB_ID},
    request=ChangeJob,
    request_examples=examples.CHANGES,
    response=CronJobChanged,
    response_examples={HTTPStatus.OK: examples.CHANGED},
    errors=(Failure.NOT_FOUND,),
)
CRON_DELETE = Route(
    method="DELETE",
    path="/api/cron/{id}",
    summary="Forget a job and its history; the agent that works for it is stopped.",
    scope=Scope.WRITE,
    handler=_remove,
    path_parameters={"id": examples.JOB_ID},
    response=CronRemoved,
    response_examples={HTTPStatus.OK: CronRemoved(True)},
    errors=(Failure.NOT_FOUND,),
)
CRON_RUN = Route(
    method="POST",
    path="/api/cron/{id}/run",
    summary="As `POST /api/cron/trigger`.",
    scope=Scope.WRITE,
    handler=_run,
    path_parameters={"id": examples.JOB_ID},
    response=CronTriggered,
    response_examples={HTTPStatus.OK: examples.TRIGGERED},
    errors=(Failure.NOT_FOUND, Failure.CONFLICT),
)
CRON_TOGGLE = Route(
    method="POST",
    path="/api/cron/{id}/toggle",
    summary="Enable or disable a job.",
    scope=Scope.WRITE,
    handler=_toggle,
    path_parameters={"id": examples.JOB_ID},
    request=ToggleJob,
    request_examples={"the other way round": {}, "off": {"enabled": False}},
    response=CronToggled,
    response_examples={HTTPStatus.OK: CronToggled(False)},
    errors=(Failure.NOT_FOUND,),
)
CRON_HISTORY = Route(
    method="GET",
    path="/api/cron/{id}/history",
    summary="The runs of a job, the newest first.",
    scope=Scope.READ,
    handler=_history,
    path_parameters={"id": examples.JOB_ID},
    query=JobHistoryQuery,
    response=CronHistory,
    response_examples={HTTPStatus.OK: examples.HISTORY},
    errors=(Failure.NOT_FOUND,),
)

CRON_ROUTES = (
    CRON,
    CRON_ADD,
    CRON_CREATE,
    CRON_TRIGGER,
    CRON_METRICS,
    CRON_ALL_HISTORY,
    CRON_JOB,
    CRON_CHANGE,
    CRON_DELETE,
    CRON_RUN,
    CRON_TOGGLE,
    CRON_HISTORY,
)

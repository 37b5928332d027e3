"""`xopc gateway status`."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter

from xopc.cli.gateway.asking import ask_gateway
from xopc.cli.gateway.issues import OTHER, find_issues, of_finding
from xopc.cli.gateway.report import SCHEMA, Report, last_error
from xopc.cli.gateway.report_text import LOCAL_HOSTS, text_of
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, CredentialOption, Duration, DurationOption, JsonOption, UrlOption
from xopc.cli.output import as_typed, fitted, print_json
from xopc.client.http import split_base_url
from xopc.service.health import Answer
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from xopc.service.audit.survey import Service, Survey
    from xopc.service.ports import PortUse

DEFAULT_TIMEOUT = Duration(5)
CONNECT_SECONDS = 0.5


def status(
    *,
    as_json: JsonOption = False,
    deep: Annotated[
        bool, Parameter(help="Look further: other starters, unit files, the installed program, the disk.")
    ] = False,
    no_probe: Annotated[bool, Parameter(help="Do not ask it; look at the lock alone.")] = False,
    require_probe: Annotated[bool, Parameter(help="Fail where it runs, and does not answer.")] = False,
    url: UrlOption = None,
    token: CredentialOption = None,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 5s).")] = DEFAULT_TIMEOUT,
    schema: Annotated[
        bool, Parameter(help="Print the JSON Schema of what --json prints, and do nothing else.")
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Tell whether the gateway runs, where, and what is wrong.

    The exit code is 0 when it runs, and 1 when it does not.
    """
    if schema:
        print(SCHEMA.read_text("utf-8"), end="")
        return EXIT_OK
    if no_probe and require_probe:
        print("xopc gateway status: --no-probe and --require-probe exclude each other.", file=sys.stderr)
        return EXIT_USAGE
    target = find_target(config)
    survey = _begin_survey(target) if url is None else None
    answer = None if no_probe else ask_gateway(target, timeout, url=url, token=token)
    use = _look_at_port(target, answer) if url is None else None
    service = survey.result() if survey else None
    issues = find_issues(target, answer, use, elsewhere=url is not None, findings=survey.findings if survey else ())
    reachable = answer is not None and answer.reachable and not any(issue.code == OTHER for issue in issues)
    running = (url is None and target.lock.is_alive) or reachable or _runs_here(target, service)
    depths = None
    if deep and url is None:
        from xopc.cli.gateway.deep import look_deeper

        depths = look_deeper(target, service)
        issues = (*issues, *map(of_finding, depths.findings))
    report = Report(
        target=target,
        running=running,
        url=url or target.url,
        port=split_base_url(url)[2] if url else target.port,
        answer=answer,
        issues=issues,
        credential=token or target.credential,
        service=service,
        use=use,
        last_error=last_error(target.paths.log_dir) if _should_answer(target, service, answer) else None,
        depths=depths,
    )
    if as_json:
        print_json(report.to_json())
    else:
        print(fitted(as_typed("\n".join(text_of(report))), sys.stdout))
    return EXIT_OK if report.running and (reachable or not require_probe) else EXIT_FAILURE


def _begin_survey(target: Target) -> Survey:
    """Look at the service while the gateway is asked."""
    from xopc.service.audit.survey import Survey, survey

    owner = target.owner
    return Survey(lambda tell: survey(target.environ, target.paths, owner.pid if owner else None, tell))


def _runs_here(target: Target, service: Service | None) -> bool:
    """Whether the manager says that it runs a gateway of this configuration."""
    if service is None or service.runtime.status.value != "running" or service.paths is None:
        return False
    return os.path.realpath(service.paths.config_path) == os.path.realpath(target.paths.config_path)


def _should_answer(target: Target, service: Service | None, answer: Answer | None) -> bool:
    """Whether somebody expects an answer of it, and there is none."""
    is_expected = target.owner is not None or (service is not None and service.is_loaded)
    return is_expected and answer is not None and not answer.reachable


def _look_at_port(target: Target, answer: Answer | None) -> PortUse | None:
    """Who listens, where that has to be known: it takes as long as all the rest."""
    if target.port is None or (target.owner is not None and _has_localhost(target, answer, target.port)):
        return None
    from xopc.service.ports import inspect

    return inspect(target.port)


def _has_localhost(target: Target, answer: Answer | None, port: int) -> bool:
    """Whether all that `localhost` may lead to is the gateway's, or nobody's."""
    told: object = answer.details.get("addresses") if answer else None
    addresses = cast("list[object]", told) if isinstance(told, list) else []
    if target.host not in LOCAL_HOSTS or any(str(one).startswith(("[::1]:", "[::]:")) for one in addresses):
        return True
    try:
        socket.create_connection(("::1", port), CONNECT_SECONDS).close()
    except TimeoutError:
        return False
    except OSError:
        return True
    return False

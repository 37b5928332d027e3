"""Who answers for a gateway."""

from __future__ import annotations

import os
from pathlib import Path

from attrs import evolve

from tests.fakes.gateway import TOKEN, Behaviour, configure, running_gateway
from xopc.cli.gateway.asking import ask_gateway
from xopc.cli.gateway.target import Target, find_target
from xopc_supervisor.contract import LockInfo, start_time


def as_it_started(target: Target) -> Target:
    assert target.lock.info is not None
    return evolve(target, lock=evolve(target.lock, info=target.lock.info._replace(port=None, boot_id=None)))


def test_whoever_holds_the_lock_and_listens_sees_the_credential(home: Path) -> None:
    with running_gateway(home) as gateway:
        answer = ask_gateway(find_target(None), 5)
        assert gateway.requests()[-1] == f"/api/status Bearer {TOKEN}"
    assert answer is not None
    assert answer.details


def test_another_gateway_does_not_answer_for_the_one_that_waits_for_its_port(home: Path) -> None:
    with running_gateway(home, Behaviour(locked=False)) as gateway:
        configure(home, port=gateway.port)
        path = find_target(None).paths.lock_path
        path.parent.mkdir(parents=True)
        path.write_text(LockInfo(os.getpid(), start_time(os.getpid()), "", "").to_json())
        answer = ask_gateway(find_target(None), 5)
        assert not [request for request in gateway.requests() if TOKEN in request]
    assert answer is not None
    assert (answer.reachable, answer.is_another) == (False, True)
    assert answer.error.endswith("the gateway that answers there is another one")


def test_one_that_came_up_while_it_was_looked_at_answers_for_itself(home: Path) -> None:
    with running_gateway(home) as gateway:
        configure(home, port=gateway.port)
        answer = ask_gateway(as_it_started(find_target(None)), 5)
    assert answer is not None
    assert (answer.reachable, answer.is_another) == (True, False)


def test_where_the_port_is_not_known_nobody_is_asked(home: Path) -> None:
    configure(home, port="x")
    assert ask_gateway(find_target(None), 5) is None

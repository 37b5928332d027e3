from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from xopc.config.bind import Binding, Lack
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.errors import Problem
from xopc.contracts.settings.file import BindMode
from xopc.gateway.addresses import (
    AGAIN_SECONDS,
    GONE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LOOK_SECONDS,
    Finding,
    Patience,
    judge,
    look,
    watch_addresses,
)
from xopc.gateway.orders import Restart
from xopc.gateway.places import Places
from xopc.gateway.problems import Problems
from xopc_supervisor.contract import Address

WANTED = "192.0.2.7"
PORT = 18790
ELSEWHERE = Binding(BindMode.CUSTOM, ("127.0.0.2",))
THERE = Binding(BindMode.CUSTOM, (WANTED,))
LACKING = Lack(WANTED, Problem("$.gateway.customBindHost", f"no address {WANTED} on this host"), required=True)
MISSING = Binding(BindMode.CUSTOM, ("127.0.0.1",), ("::1",), LACKING)
NO_TAILNET = Lack("100.64.0.0/10", Problem("$.gateway.bind", "no tailnet address"), required=False)
WITHOUT_TAILNET = Binding(BindMode.TAILNET, ("127.0.0.1",), ("::1",), NO_TAILNET)
IN_TAILNET = Binding(BindMode.TAILNET, ("100.64.0.1",))
LOOPBACK = Binding(BindMode.LOOPBACK, ("127.0.0.1",), ("::1",))


def places(binding: Binding, problem: str | None = None) -> Places:
    return Places((), binding.addresses(PORT), problem=problem)


def judged(at: Places, found: Binding, *, port: int = PORT, can_move: bool = True) -> Finding:
    return judge(at, found, found.addresses(port), can_move=can_move)


@pytest.mark.parametrize("binding", [THERE, LOOPBACK, IN_TAILNET])
def test_where_it_listens_as_it_should_nothing_is_said(binding: Binding) -> None:
    assert judged(places(binding), binding) == Finding()


def test_an_address_that_is_not_there_is_a_problem_that_names_it_and_its_key() -> None:
    what = "The gateway listens at 127.0.0.1, because there is no address 192.0.2.7 on this host "
    what += "($.gateway.customBindHost). It moves there as soon as there is one"
    assert judged(places(MISSING), MISSING) == Finding(what)


def test_to_be_without_a_tailnet_is_not() -> None:
    assert judged(places(WITHOUT_TAILNET), WITHOUT_TAILNET) == Finding()


@pytest.mark.parametrize(("before", "after"), [(MISSING, THERE), (WITHOUT_TAILNET, IN_TAILNET)])
def test_an_address_that_has_come_is_moved_to_at_once(before: Binding, after: Binding) -> None:
    finding = judged(places(before), after)
    assert finding.problem == f"The gateway should listen at {after.hosts[0]}. It moves there by itself"
    assert finding.move_after == 0


def test_an_address_that_became_another_is_followed() -> None:
    other = evolve(IN_TAILNET, hosts=("100.64.0.2",))
    assert judged(places(IN_TAILNET), other).move_after == 0


@pytest.mark.parametrize(
    ("before", "after", "degrades"), [(THERE, MISSING, True), (IN_TAILNET, WITHOUT_TAILNET, False)]
)
def test_an_address_that_is_lost_is_waited_for_before_loopback_stands_in(
    before: Binding, after: Binding, *, degrades: bool
) -> None:
    what = f"This host has lost {before.hosts[0]}, the address that the gateway listens at. "
    what += "If it is not back within 30 s, the gateway listens at 127.0.0.1 until it is"
    assert judged(places(before), after) == Finding(what, degrades, GONE_SECONDS)


@pytest.mark.parametrize(
    ("at", "found", "port", "said"),
    [
        (places(MISSING), MISSING, PORT, "Stop and start it when there is one"),
        (places(MISSING), THERE, PORT, "should listen at 192.0.2.7. Stop and start it"),
        (places(THERE), THERE, 18791, "should listen at 192.0.2.7 port 18791. Stop and start it"),
        (places(THERE), MISSING, PORT, "This host has lost 192.0.2.7"),
        (places(ELSEWHERE), MISSING, PORT, "The gateway listens at 127.0.0.2, because there is no address 192.0.2.7"),
        (places(LOOPBACK, "port 1 is taken"), THERE, PORT, "port 1 is taken"),
    ],
)
def test_where_no_process_may_follow_it_only_says_so(at: Places, found: Binding, port: int, said: str) -> None:
    finding = judged(at, found, port=port, can_move=False)
    assert said in (finding.problem or "")
    assert "by itself" not in (finding.problem or "")
    assert finding.move_after is None


def test_sockets_that_were_not_to_be_had_are_tried_for_again_later() -> None:
    taken = "the gateway cannot listen at 127.0.0.1 port 18791"
    assert judged(places(LOOPBACK, taken), LOOPBACK, port=18791) == Finding(taken, move_after=AGAIN_SECONDS)


ADDRESSES = (Address(WANTED, PORT),)


def test_patience_is_over_when_what_was_found_has_lasted() -> None:
    patience = Patience()
    lost = Finding("lost", move_after=30)
    assert [patience.is_over(lost, ADDRESSES, now) for now in (0, 29, 30, 31)] == [False, False, True, False]


def test_patience_begins_anew_when_all_was_well_meanwhile() -> None:
    patience = Patience()
    lost = Finding("lost", move_after=30)
    assert not patience.is_over(lost, ADDRESSES, 0)
    assert not patience.is_over(Finding(), ADDRESSES, 20)
    assert not patience.is_over(lost, ADDRESSES, 31)


def test_a_move_that_does_not_succeed_is_tried_ever_more_rarely_and_for_ever() -> None:
    patience = Patience()
    found = Finding("come", move_after=0)
    tried = [now for now in range(10_000) if patience.is_over(found, ADDRESSES, now)]
    assert tried[:4] == [0, 60, 180, 420]
    assert tried[-1] - tried[-2] == LONGEST_PAUSE_SECONDS
    assert patience.is_over(found, (Address("192.0.2.8", PORT),), tried[-1] + 1), "another address is a new matter"


@define
class Host:
    """What a host says of its addresses, one answer a look; the last for ever."""

    answers: list[Binding | OSError]
    looks: int = 0

    async def look(self, _resolved: Resolved, _environ: Mapping[str, str]) -> Binding:
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


@define
class Watching:
    """A watch over a host, and what came of it."""

    host: Host
    at: Places
    resolved: Resolved
    environ: dict[str, str] = field(factory=dict[str, str])
    problems: Problems = field(factory=Problems)
    orders: list[tuple[float, Restart]] = field(factory=list[tuple[float, Restart]])

    async def run(self, seconds: float) -> None:
        began = trio.current_time()

        def give(order: Restart) -> None:
            self.orders.append((trio.current_time() - began, order))

        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                arguments = (self.at, self.environ, self.problems, give, lambda: self.resolved)

                async def watch(*, task_status: trio.TaskStatus[None]) -> None:
                    await watch_addresses(*arguments, look=self.host.look, task_status=task_status)

                await nursery.start(watch)
                assert self.host.looks == 1, "it has looked before it counts as started"

    @property
    def told(self) -> list[str]:
        return [problem.message for problem in self.problems.standing()]


@pytest.fixture
def resolved(tmp_path: Path) -> Resolved:
    return resolve({"XOPC_HOME": str(tmp_path)}, Flags(port=PORT))


async def test_an_address_that_comes_is_an_order_to_reload(
    resolved: Resolved, autojump_clock: trio.testing.MockClock
) -> None:
    watching = Watching(Host([MISSING, MISSING, THERE]), places(MISSING), resolved)
    await watching.run(AGAIN_SECONDS)
    reason = "the addresses of this host changed: from 127.0.0.1 to 192.0.2.7"
    assert watching.orders == [(2 * LOOK_SECONDS, Restart("in-process", reason, is_due=True))]
    assert watching.problems.degrades


async def test_an_address_that_is_back_in_time_was_never_gone(
    resolved: Resolved, autojump_clock: trio.testing.MockClock
) -> None:
    looks = GONE_SECONDS // LOOK_SECONDS
    watching = Watching(Host([THERE, *[MISSING] * looks, THERE]), places(THERE), resolved)
    await watching.run(10 * GONE_SECONDS)
    assert (watching.orders, watching.told) == ([], [])


async def test_an_address_that_is_gone_for_good_gives_way_to_loopback(
    resolved: Resolved, autojump_clock: trio.testing.MockClock
) -> None:
    watching = Watching(Host([THERE, MISSING]), places(THERE), resolved)
    await watching.run(GONE_SECONDS + AGAIN_SECONDS)
    ((when, order),) = watching.orders
    assert when == LOOK_SECONDS + GONE_SECONDS
    assert order.reason == "the addresses of this host changed: from 192.0.2.7 to 127.0.0.1"
    assert "has lost 192.0.2.7" in watching.told[0]


async def test_a_host_that_does_not_tell_changes_nothing(
    resolved: Resolved, autojump_clock: trio.testing.MockClock
) -> None:
    silent = OSError("Too many open files")
    watching = Watching(Host([silent, MISSING, silent]), places(MISSING), resolved)
    await watching.run(10)
    assert len(watching.told) == 1
    assert watching.orders == []


async def test_where_no_process_may_follow_no_order_is_given(
    resolved: Resolved, autojump_clock: trio.testing.MockClock
) -> None:
    watching = Watching(Host([THERE]), places(MISSING), resolved, {"XOPC_NO_RESPAWN": "1"})
    await watching.run(10 * AGAIN_SECONDS)
    assert watching.orders == []
    assert watching.told == ["The gateway should listen at 192.0.2.7. Stop and start it"]


async def test_a_look_sees_the_host_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".xopc").mkdir()
    (tmp_path / ".xopc" / "xopc.json").write_text('{"gateway": {"bind": "custom", "customBindHost": "127.0.0.2"}}')
    environ = {"XOPC_HOME": str(tmp_path)}
    resolved = resolve(environ, Flags())
    settings = evolve(resolved.settings, gateway=evolve(resolved.settings.gateway, custom_bind_host="198.51.100.7"))
    assert (await look(resolved, environ)).hosts == ("127.0.0.2",)
    assert (await look(evolve(resolved, settings=settings), environ)).hosts == ("127.0.0.1",)

from __future__ import annotations

from contextlib import ExitStack

import pytest

from xopc.contracts.auth import Scope
from xopc.contracts.errors import XopcError
from xopc.server.door.auth import Principal
from xopc.server.slots import Slots

OWNER = Principal("token", Scope.ADMIN)
PHONE, DESK, BOARD = (Principal(name, Scope.READ) for name in ("phone", "desk", "board"))


def let_in(slots: Slots, stack: ExitStack, caller: Principal | None, at_most: int = 1000) -> int:
    """Open streams until there is no room for another; how many."""
    for count in range(at_most):
        try:
            slots.refuse_when_full(caller)
        except XopcError:
            return count
        stack.enter_context(slots.take(caller))
    return at_most


def why(slots: Slots, caller: Principal) -> str:
    with pytest.raises(XopcError) as refusal:
        slots.refuse_when_full(caller)
    assert refusal.value.failure.code == "TOO_MANY_CONNECTIONS"
    return refusal.value.message


def test_the_owner_may_have_all_and_every_slot_comes_back() -> None:
    slots = Slots(100)
    with ExitStack() as stack:
        assert let_in(slots, stack, OWNER) == 100
        assert why(slots, OWNER) == "100 clients follow the events already; gateway.maxSseConnections is the limit."
    assert slots.taken == 0
    with ExitStack() as stack:
        assert let_in(slots, stack, OWNER) == 100


def test_a_credential_that_may_do_less_has_half_at_most() -> None:
    slots = Slots(100)
    with ExitStack() as stack:
        assert let_in(slots, stack, PHONE) == 50
        assert why(slots, PHONE) == (
            "50 clients with this credential follow the events already, and half of gateway.maxSseConnections is the "
            "limit."
        )
        assert let_in(slots, stack, OWNER) == 50


def test_many_such_credentials_leave_the_owner_a_tenth() -> None:
    slots = Slots(100)
    with ExitStack() as stack:
        assert sum(let_in(slots, stack, guest) for guest in (PHONE, DESK, BOARD)) == 90
        assert why(slots, BOARD) == (
            "90 clients follow the events already; the rest of gateway.maxSseConnections is kept for the owner."
        )
        assert let_in(slots, stack, OWNER) == 10


def test_where_no_credential_is_asked_for_an_address_elsewhere_counts_as_one_and_this_machine_as_the_owner() -> None:
    slots = Slots(10)
    here = Principal("everybody", Scope.ADMIN)
    with ExitStack() as stack:
        there = Principal("everybody", Scope.ADMIN, network="192.0.2.7")
        assert let_in(slots, stack, there) == 5
        assert "with this address" in why(slots, there)
        assert let_in(slots, stack, Principal("everybody", Scope.ADMIN, network="192.0.2.8")) == 4
        assert let_in(slots, stack, here) == 1


@pytest.mark.parametrize(("most", "of_guests"), [(1, 1), (2, 1), (3, 2), (11, 10)])
def test_of_few_slots_one_is_the_owner_s_unless_it_is_the_only_one(most: int, of_guests: int) -> None:
    slots = Slots(most)
    with ExitStack() as stack:
        guests = [Principal(f"guest {number}", Scope.READ) for number in range(most)]
        assert sum(let_in(slots, stack, guest) for guest in guests) == of_guests
        assert let_in(slots, stack, OWNER) == most - of_guests


def test_a_lower_limit_closes_nobody_and_lets_nobody_in_until_enough_are_gone() -> None:
    slots = Slots(4)
    with ExitStack() as stack:
        let_in(slots, stack, OWNER)
        slots.most = 2
        assert slots.taken == 4
        assert why(slots, OWNER).startswith("4 clients")
    slots.refuse_when_full(OWNER)


def test_a_caller_who_is_nobody_counts_as_well() -> None:
    slots = Slots(1)
    with ExitStack() as stack:
        assert let_in(slots, stack, None) == 1

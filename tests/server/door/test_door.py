from __future__ import annotations

import random
from hashlib import sha256
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings as examples, strategies as st
from structlog.testing import capture_logs

from tests.fakes.clock import Clock
from tests.fakes.door import TOKEN, policy
from xopc.contracts.auth import AuthMode, RateLimit, Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.access import AccessToken
from xopc.contracts.settings.file import GatewaySettings
from xopc.server.door.auth import Principal
from xopc.server.door.door import Door, Knock, Policy
from xopc.server.door.restraint import LINES

LOCAL_KEY = b"ab" * 32
READER = "an-invented-token-for-a-reader"
WRONG = "another-invented-token-98765"
LISTED = "https://desk.example.com"
SETTINGS = GatewaySettings(cors_origins=(LISTED,), trusted_proxies=("10.0.0.0/8",))
TOKENS = (AccessToken("reader", sha256(READER.encode()).hexdigest(), (Scope.READ,)),)


def make_door(mode: AuthMode = AuthMode.TOKEN, limit: RateLimit = RateLimit(), **changes: object) -> Door:  # noqa: B008  frozen
    made = policy(
        None if mode is AuthMode.NONE else TOKEN, mode, tokens=TOKENS, settings=evolve(SETTINGS, **changes), limit=limit
    )
    return Door(made, LOCAL_KEY, Clock())


def knock(peer: str = "192.0.2.7", **headers: str) -> Knock:
    lines = {"host": "192.168.1.20:18790", **headers}
    wire = [(name.replace("_", "-").encode(), value.encode("latin1")) for name, value in lines.items()]
    scope: Any = {"type": "http", "path": "/api/status", "headers": wire, "client": (peer, 50000)}
    return scope


def outcome(door: Door, asked: Knock, required: Scope | None = Scope.READ, query: dict[str, str] | None = None) -> int:
    """The status that the door answers with; 200 where it lets in."""
    try:
        door.admit(asked, query or {}, required)
    except XopcError as error:
        return error.failure.http.value
    return 200


def guess(door: Door, times: int, asked: Knock | None = None) -> list[int]:
    return [outcome(door, asked or knock(x_api_key=WRONG)) for _ in range(times)]


# The table: what is asked in which order, and what each answer means.

PEERS: dict[str, tuple[str, dict[str, str], bool, bool]] = {
    # how it comes: peer, headers, is local, is behind a trusted proxy
    "local": ("127.0.0.1", {}, True, False),
    "local ipv6": ("::1", {}, True, False),
    "local forwarder": ("127.0.0.1", {"x_forwarded_for": "127.0.0.1"}, False, False),
    "remote": ("192.0.2.7", {}, False, False),
    "remote forger": ("192.0.2.7", {"x_forwarded_for": "127.0.0.1"}, False, False),
    "behind proxy": ("10.0.0.1", {"x_forwarded_for": "192.0.2.7"}, False, True),
    "forger behind proxy": ("10.0.0.1", {"x_forwarded_for": "127.0.0.1, 192.0.2.7"}, False, True),
}
HOSTS = {
    "192.168.1.20:18790": True,
    "localhost:18790": True,
    "workstation": True,
    "desk.example.com": True,
    "evil.example.com": False,
    "127.0.0.1.evil.example.com": False,
    "not a host": False,
}
PAGES = {
    # origin: passes for local clients, behind the proxy, from elsewhere; with host 192.168.1.20:18790
    None: (True, True, True),
    LISTED: (True, True, True),
    "https://evil.example.com": (False, False, False),
    "null": (False, False, False),
    "nonsense": (False, False, False),
    "http://localhost:3000": (True, False, False),
    "http://192.168.1.20:18790": (True, True, False),
    "http://192.168.1.20:18791": (False, False, False),
}
CREDENTIALS = {
    # what is shown: may read, may do everything, is a guess
    "none": (401, 401, False),
    "good": (200, 200, False),
    "good key": (200, 200, False),
    "reader": (200, 403, False),
    "wrong": (401, 401, True),
    "different": (401, 401, False),
    "in the URL": (401, 401, False),
}
SHOWN: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "none": ({}, {}),
    "good": ({"authorization": f"Bearer {TOKEN}"}, {}),
    "good key": ({"x_api_key": TOKEN}, {}),
    "reader": ({"x_api_key": READER}, {}),
    "wrong": ({"authorization": WRONG}, {}),
    "different": ({"authorization": TOKEN, "x_api_key": READER}, {}),
    "in the URL": ({}, {"token": TOKEN}),
}


def expected(  # noqa: PLR0917  the columns of the table
    mode: AuthMode, peer: str, host: str, page: str | None, credential: str, required: Scope | None, *, is_blocked: bool
) -> int:
    _, _, is_local, is_behind_proxy = PEERS[peer]
    if required is None:
        return 200
    if not HOSTS[host]:
        return 403
    here, proxied, elsewhere = PAGES[page]
    passes = here if is_local else proxied if is_behind_proxy else elsewhere
    if page == "http://192.168.1.20:18790" and host != "192.168.1.20:18790":
        passes = False
    if not passes:
        return 403
    if mode is AuthMode.NONE:
        return 200
    if is_blocked:
        return 429
    read, everything, _ = CREDENTIALS[credential]
    return read if required is Scope.READ else everything


@examples(max_examples=1000)
@given(
    mode=st.sampled_from(AuthMode),
    peer=st.sampled_from(list(PEERS)),
    host=st.sampled_from(list(HOSTS)),
    page=st.sampled_from(list(PAGES)),
    credential=st.sampled_from(list(CREDENTIALS)),
    required=st.sampled_from([None, *Scope]),
    is_blocked=st.booleans(),
)
def test_the_door_decides_by_the_table(  # noqa: PLR0917  the columns of the table
    mode: AuthMode, peer: str, host: str, page: str | None, credential: str, required: Scope | None, is_blocked: bool
) -> None:
    door = make_door(mode)
    address, forwarded, _, _ = PEERS[peer]
    shown, query = SHOWN[credential]
    headers = {**forwarded, "host": host, **({"origin": page} if page else {})}
    if is_blocked:
        guess(door, 5, knock(address, **headers, x_api_key=WRONG))
    before = door.limiter.failures
    found = outcome(door, knock(address, **headers, **shown), required, query)
    assert found == expected(mode, peer, host, page, credential, required, is_blocked=is_blocked)
    was_guess = CREDENTIALS[credential][2] and found == 401
    assert door.limiter.failures - before == was_guess


def test_a_hundred_thousand_guesses_with_forged_headers_never_pass() -> None:
    door, dice = make_door(), random.Random(18790)  # noqa: S311  repeatable, which is the point
    outcomes: dict[int, int] = {}
    for number in range(100_000):
        forged = f"10.0.0.{number % 250}" if number % 7 else f"{dice.getrandbits(32):x}"
        headers = {
            "x_forwarded_for": f"{number % 223 + 1}.{number % 251}.{number % 241}.9, {forged}",
            "x_real_ip": f"192.0.2.{number % 250}",
            "forwarded": f"for=198.51.100.{number % 250}",
            "origin": LISTED if number % 3 == 0 else "",
        }
        token = TOKEN if number > 10 and number % 1000 == 0 else f"{dice.getrandbits(192):048x}"
        found = outcome(door, knock(x_api_key=token, **headers))
        outcomes[found] = outcomes.get(found, 0) + 1
    assert outcomes == {401: 10, 429: 99_990}, "five as a program, five as a page; and the right one is refused as well"


def test_rows_215_and_216_five_wrong_ones_block_and_the_answer_tells_for_how_long() -> None:
    door = make_door()
    assert guess(door, 7) == [401] * 5 + [429] * 2
    with pytest.raises(XopcError, match="Too many wrong credentials") as caught:
        door.admit(knock(x_api_key=TOKEN), {}, Scope.READ)
    assert (caught.value.failure, caught.value.retry_after) == (Failure.RATE_LIMITED, 300)


def test_a_page_that_guesses_does_not_lock_programs_out() -> None:
    door = make_door()
    assert guess(door, 6, knock(origin=LISTED, x_api_key=WRONG)) == [401] * 5 + [429]
    assert outcome(door, knock(x_api_key=TOKEN)) == 200


def test_a_page_under_a_foreign_name_does_not_lock_programs_out() -> None:
    door = make_door()
    assert guess(door, 9, knock("127.0.0.1", host="evil.example.com", x_api_key=WRONG)) == [403] * 9
    assert outcome(door, knock("127.0.0.1", x_api_key=TOKEN)) == 200


def test_refusals_without_end_do_not_fill_the_log() -> None:
    door = make_door()
    with capture_logs() as logs:
        for _ in range(500):
            outcome(door, knock(host="evil.example.com"))
            outcome(door, knock(origin="https://evil.example.com"))
        assert len(logs) == LINES
        outcome(door, knock(x_api_key=WRONG))
    assert logs[-1]["event"] == "A wrong credential was presented."


def in_url(door: Door, token: str, asked: Knock) -> int:
    """The status of a route that takes a token in the URL."""
    try:
        door.admit(asked, {"token": token}, Scope.READ, takes_token_in_query=True)
    except XopcError as error:
        return error.failure.http.value
    return 200


def test_pictures_of_a_hostile_page_lock_nobody_out() -> None:
    door = make_door()
    picture = knock("127.0.0.1", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert [in_url(door, WRONG, picture) for _ in range(9)] == [403] * 9
    assert in_url(door, TOKEN, knock("127.0.0.1", sec_fetch_site="same-origin")) == 200
    of_an_old_browser = knock("127.0.0.1")
    assert [in_url(door, WRONG, of_an_old_browser) for _ in range(6)] == [401] * 5 + [429]
    assert in_url(door, TOKEN, of_an_old_browser) == 429
    assert outcome(door, knock("127.0.0.1", x_api_key=TOKEN)) == 200


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("Same-Site", 403), ("same-origin", 200), ("none", 200)]
)
def test_a_page_of_another_origin_that_hides_it_is_refused_in_every_mode(site: str, status: int) -> None:
    asked = knock(sec_fetch_site=site, x_api_key=TOKEN)
    assert outcome(make_door(), asked) == status
    assert outcome(make_door(AuthMode.NONE), asked) == status
    assert outcome(make_door(), knock(sec_fetch_site=site, x_api_key=TOKEN, origin=LISTED)) == 200


def test_a_token_that_may_do_less_clears_no_count() -> None:
    door = make_door()
    for _ in range(4):
        assert outcome(door, knock(x_api_key=WRONG)) == 401
        assert outcome(door, knock(x_api_key=READER)) == 200
    assert guess(door, 2) == [401, 429]


def test_what_was_not_compared_is_not_counted() -> None:
    door = make_door()
    for _ in range(20):
        assert outcome(door, knock()) == 401
        assert outcome(door, knock(authorization=WRONG, x_api_key=READER)) == 401
    assert outcome(door, knock(x_api_key=TOKEN)) == 200


def test_the_local_key_passes_a_block_and_opens_nothing() -> None:
    door = make_door()
    guess(door, 5, knock("127.0.0.1", x_api_key=WRONG))
    key = {"x_xopc_local_key": LOCAL_KEY.decode()}
    assert outcome(door, knock("127.0.0.1", x_api_key=TOKEN)) == 429
    assert outcome(door, knock("127.0.0.1", x_api_key=TOKEN, x_xopc_local_key="00" * 32)) == 429
    assert outcome(door, knock("127.0.0.1", x_api_key=TOKEN, **key)) == 200
    assert outcome(door, knock("127.0.0.1", **key)) == 401
    assert outcome(door, knock("127.0.0.1", x_api_key=WRONG, **key)) == 401
    assert outcome(door, knock("127.0.0.1", x_api_key=TOKEN)) == 429, "it forgives nobody else"


def test_the_local_key_counts_on_this_machine_alone() -> None:
    door = make_door()
    key = {"x_xopc_local_key": LOCAL_KEY.decode()}
    for asked in (
        knock(x_api_key=WRONG, **key),
        knock("127.0.0.1", x_api_key=WRONG, x_forwarded_for="127.0.0.1", **key),
        knock("127.0.0.1", x_api_key=WRONG, origin="http://localhost:3000", **key),
    ):
        assert guess(door, 6, asked) == [401] * 5 + [429]


def test_loopback_may_be_exempt_and_its_browsers_are_not() -> None:
    door = make_door(limit=RateLimit(exempt_loopback=True))
    assert guess(door, 9, knock("127.0.0.1", x_api_key=WRONG)) == [401] * 9
    page = knock("127.0.0.1", x_api_key=WRONG, origin="http://localhost:3000")
    assert guess(door, 6, page) == [401] * 5 + [429]


def test_row_218_without_the_limiter_nobody_is_blocked() -> None:
    door = make_door(limit=RateLimit(enabled=False))
    assert guess(door, 20) == [401] * 20


def test_whose_token_was_taken_back_is_admitted_no_more() -> None:
    door = make_door()
    reader, in_url = knock(x_api_key=READER), {"token": READER}
    may_read = door.admission(reader, {}, Scope.READ)
    may_rule = door.admission(reader, {}, Scope.ADMIN)
    may_read_by_url = door.admission(knock(), in_url, Scope.READ, takes_token_in_query=True)
    owner = door.admission(knock(x_api_key=TOKEN), {}, Scope.READ)
    anybody = door.admission(reader, {}, None)
    assert (may_read(), may_rule(), may_read_by_url(), owner(), anybody()) == (True, False, True, True, True)
    door.use(policy(settings=SETTINGS))
    assert (may_read(), may_read_by_url(), owner(), anybody()) == (False, False, True, True)
    door.use(policy(tokens=TOKENS, settings=SETTINGS))
    assert may_read(), "given back"


def test_another_policy_holds_at_once_and_forgets_no_block() -> None:
    door = make_door()
    guess(door, 5)
    door.use(policy("the-next-invented-token", tokens=TOKENS, settings=SETTINGS))
    assert outcome(door, knock("192.0.2.8", x_api_key="the-next-invented-token")) == 200
    assert outcome(door, knock("192.0.2.8", x_api_key=TOKEN)) == 401
    assert outcome(door, knock(x_api_key="the-next-invented-token")) == 429


def test_the_caller_has_the_name_and_the_scope_of_his_token() -> None:
    door = make_door()
    assert door.admit(knock(x_api_key=READER), {}, Scope.READ) == Principal("reader", Scope.READ)
    assert door.admit(knock(x_api_key=TOKEN), {}, Scope.ADMIN) == Principal("token", Scope.ADMIN)
    assert door.admit(knock(), {}, None) is None


def test_where_nobody_shows_a_credential_callers_differ_by_their_network() -> None:
    door = Door(policy(None, AuthMode.NONE, settings=SETTINGS))
    here, there = (door.admit(knock(peer), {}, Scope.READ) for peer in ("127.0.0.1", "192.0.2.7"))
    assert here == Principal("everybody", Scope.ADMIN)
    assert there == Principal("everybody", Scope.ADMIN, network="192.0.2.7")


def test_a_handshake_is_decided_like_a_request() -> None:
    handshake: Any = {**knock(x_api_key=WRONG), "type": "websocket"}
    door = make_door()
    assert guess(door, 6, handshake) == [401] * 5 + [429]


def test_each_counted_failure_is_told_with_its_source_and_the_block_with_its_cure() -> None:
    door = make_door(limit=RateLimit(max_attempts=2))
    with capture_logs() as lines:
        guess(door, 3, knock(x_api_key=WRONG, x_forwarded_for="192.0.2.99"))
        guess(door, 1, knock(x_api_key=WRONG, origin=LISTED))
    wrong, blocked = "A wrong credential was presented.", "A wrong credential was presented, and its client is blocked."
    told = [
        (line["event"], line.get("failures"), line.get("browser")) for line in lines if "credential" in line["event"]
    ]
    assert told == [(wrong, 1, None), (blocked, 2, None), (wrong, 1, LISTED)]
    assert all(line["client"] == "192.0.2.7" for line in lines)
    assert any(line.get("cure") == "xopc gateway unlock" for line in lines)
    assert sum("trustedProxies" in line.get("cure", "") for line in lines) == 1, "told once"
    assert WRONG not in repr(lines)


def test_a_refused_page_is_told_with_its_origin_and_the_name_that_it_used() -> None:
    with capture_logs() as lines:
        outcome(make_door(), knock(origin="https://evil.example.com"))
    assert lines == [
        {
            "event": "A web page was refused.",
            "log_level": "warning",
            "origin": "https://evil.example.com",
            "host": "192.168.1.20:18790",
            "path": "/api/status",
            "client": "192.0.2.7",
        }
    ]


def test_the_refusals_say_what_to_do() -> None:
    door = make_door()
    with pytest.raises(XopcError, match=r'^Origin not allowed\. If "https://a\.example\.com" is yours, add it to '):
        door.admit(knock(origin="https://a.example.com"), {}, Scope.READ)
    with pytest.raises(XopcError, match=r"add it to gateway\.allowedHosts\.$"):
        door.admit(knock(host="a.example.com"), {}, Scope.READ)
    with pytest.raises(XopcError) as caught:
        door.admit(knock(origin="https://" + "a" * 5000), {}, Scope.READ)
    assert len(caught.value.message) < 300


def test_the_status_tells_who_is_blocked() -> None:
    door = make_door()
    guess(door, 5)
    guess(door, 5, knock("2001:db8::7", x_api_key=WRONG, origin=LISTED))
    guess(door, 1, knock("192.0.2.8", x_api_key=WRONG))
    status = door.status()
    assert status is not None
    assert (status.enabled, status.failures, status.clients) == (True, 11, 3)
    assert [(blocked.client, blocked.browser, blocked.retry_after) for blocked in status.blocked] == [
        ("192.0.2.7", None, 300),
        ("2001:db8::/64", LISTED, 300),
    ]
    assert make_door(AuthMode.NONE).status() is None


def test_a_page_may_read_what_it_may_ask_for() -> None:
    door = make_door()
    assert door.open_to(knock(origin=LISTED)) == LISTED
    assert door.open_to(knock(origin=LISTED, host="evil.example.com")) is None
    assert door.open_to(knock(origin="https://evil.example.com")) is None
    assert door.open_to(knock()) is None


def test_a_policy_comes_from_a_configuration(resolved_policy: Policy) -> None:
    assert resolved_policy.names.include("gw.example.com")
    assert resolved_policy.limit.max_attempts == 2
    assert [key.name for key in resolved_policy.credentials.keys] == ["token", "ci"]


@pytest.fixture
def resolved_policy(home: Any) -> Policy:  # noqa: ANN401  a path
    from xopc.config.resolve import Flags, resolve
    from xopc.config.write import create_document

    token = {"name": "ci", "sha256": "0" * 64, "scopes": ["operator.read"]}
    auth = {"token": TOKEN, "tokens": [token], "rateLimit": {"maxAttempts": 2}}
    path = home / ".xopc" / "xopc.json"
    create_document(path, {"gateway": {"auth": auth, "allowedHosts": ["gw.example.com"]}})
    return Policy.of(resolve({"HOME": str(home)}, Flags()), 18790)

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, strategies as st

from xopc.contracts.auth import Auth, AuthMode, Scope
from xopc.contracts.errors import Failure
from xopc.server.door.auth import Credentials, Denial, Key, Principal, decide

GOOD = "an-invented-token-0123456789"
BAD = "another-invented-token-98765"
EVERYTHING = Principal("token", Scope.ADMIN)

PASS, MISSING, WRONG, DIFFERENT = "pass", "Missing credential.", "Wrong credential.", "different credentials"
VERDICTS = {
    # Authorization, X-Api-Key
    ("none", "none"): MISSING,
    ("none", "good"): PASS,
    ("none", "bad"): WRONG,
    ("good", "none"): PASS,
    ("good", "good"): PASS,
    ("good", "bad"): DIFFERENT,
    ("bad", "none"): WRONG,
    ("bad", "good"): DIFFERENT,
    ("bad", "bad"): WRONG,
}
AUTHORIZATION = {
    "none": [None, "", "  ", "Bearer", "bearer ", "BEARER\t"],
    "good": [GOOD, f"  {GOOD} ", f"Bearer {GOOD}", f"bearer {GOOD}", f"BEARER   {GOOD} ", f"Bearer\t{GOOD}"],
    "bad": [BAD, f"Bearer {BAD}", f"bEARER {BAD}"],
}
API_KEY = {"none": [None, "", " "], "good": [GOOD, f" {GOOD}\t"], "bad": [BAD]}
INCLUDES = {
    # what the key has, what the route asks for
    (Scope.ADMIN, Scope.ADMIN): True,
    (Scope.ADMIN, Scope.WRITE): True,
    (Scope.ADMIN, Scope.READ): True,
    (Scope.WRITE, Scope.ADMIN): False,
    (Scope.WRITE, Scope.WRITE): True,
    (Scope.WRITE, Scope.READ): True,
    (Scope.READ, Scope.ADMIN): False,
    (Scope.READ, Scope.WRITE): False,
    (Scope.READ, Scope.READ): True,
}


def key(scope: Scope = Scope.ADMIN, secret: str = GOOD, name: str = "token") -> Credentials:
    return Credentials(keys=(Key.of(name, secret, scope),))


def headers(**values: str | bytes) -> list[tuple[bytes, bytes]]:
    encoded = {name: value.encode() if isinstance(value, str) else value for name, value in values.items()}
    return [(name.replace("_", "-").encode(), value) for name, value in encoded.items()]


@given(st.data())
def test_the_door_decides_by_the_table(data: st.DataObject) -> None:
    (authorization, api_key), verdict = data.draw(st.sampled_from(list(VERDICTS.items())))
    (held, required), included = data.draw(st.sampled_from(list(INCLUDES.items())))
    carried = {
        "Authorization": data.draw(st.sampled_from(AUTHORIZATION[authorization])),
        "X-Api-Key": data.draw(st.sampled_from(API_KEY[api_key])),
        "X-Other": BAD,
    }
    spell = data.draw(st.sampled_from([str, str.lower, str.upper]))
    lines = [(spell(name).encode(), value.encode()) for name, value in carried.items() if value is not None]
    decision = decide(key(held), data.draw(st.permutations(lines)), {"other": GOOD}, required)
    if verdict != PASS:
        assert isinstance(decision, Denial)
        assert decision.failure is Failure.UNAUTHORIZED
        assert verdict in decision.message
    elif included:
        assert decision == Principal("token", held)
    else:
        assert decision == Denial(Failure.FORBIDDEN, f"Missing required scope: {required.value}")


def test_both_tables_are_whole() -> None:
    states = ("none", "good", "bad")
    assert set(VERDICTS) == {(first, second) for first in states for second in states}
    assert set(INCLUDES) == {(held, required) for held in Scope for required in Scope}


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=5))
def test_bytes_of_any_kind_neither_raise_nor_pass(lines: list[tuple[bytes, bytes]]) -> None:
    assert isinstance(decide(key(), lines, {}, Scope.READ), Denial)


@given(st.binary(max_size=60).filter(lambda value: value.strip() != GOOD.encode()))
def test_no_other_value_of_any_length_passes(value: bytes) -> None:
    for name in (b"authorization", b"x-api-key"):
        assert isinstance(decide(key(), [(name, value)], {}, Scope.READ), Denial)
    assert isinstance(decide(key(), [(b"authorization", b"Bearer \x00" + value)], {}, Scope.READ), Denial)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40))
def test_any_password_passes_in_either_header_as_utf_8(password: str) -> None:
    if not password.strip():
        return
    credentials = Credentials.of(Auth(AuthMode.PASSWORD, password))
    for line in headers(authorization=f"Bearer {password}") + headers(x_api_key=password):
        assert decide(credentials, [line], {}, Scope.ADMIN) == Principal("password", Scope.ADMIN)


@pytest.mark.parametrize(
    ("lines", "passes"),
    [
        (headers(authorization=GOOD) + headers(authorization=f"Bearer {GOOD}"), True),
        (headers(authorization=GOOD) + headers(authorization=BAD), False),
        (headers(x_api_key=BAD) + headers(x_api_key=GOOD), False),
    ],
)
def test_a_header_may_come_twice_but_not_with_two_values(lines: list[tuple[bytes, bytes]], passes: bool) -> None:
    decision = decide(key(), lines, {}, Scope.READ)
    assert (decision == EVERYTHING) is passes


@pytest.mark.parametrize("lines", [[], headers(authorization=GOOD)])
def test_a_token_in_the_query_is_refused_and_the_headers_are_named(lines: list[tuple[bytes, bytes]]) -> None:
    decision = decide(key(), lines, {"token": GOOD}, Scope.READ)
    assert isinstance(decision, Denial)
    assert decision.failure is Failure.UNAUTHORIZED
    assert "Authorization: Bearer" in decision.message
    assert "X-Api-Key" in decision.message


def test_mode_none_lets_everybody_do_everything_whatever_they_show() -> None:
    credentials = Credentials.of(Auth(AuthMode.NONE))
    queries: list[Mapping[str, str]] = [{}, {"token": BAD}]
    for lines in ([], headers(authorization=BAD), headers(authorization=GOOD) + headers(x_api_key=BAD)):
        for query in queries:
            assert decide(credentials, lines, query, Scope.ADMIN) == Principal("everybody", Scope.ADMIN)


def test_where_nothing_is_required_nobody_is_asked() -> None:
    assert decide(key(), headers(authorization=BAD), {"token": BAD}, None) is None


def test_a_door_without_keys_lets_nobody_in() -> None:
    assert isinstance(decide(Credentials(), headers(authorization=GOOD), {}, Scope.READ), Denial)


def test_each_of_several_keys_opens_as_far_as_it_reaches() -> None:
    credentials = Credentials(keys=(*key().keys, *key(Scope.READ, BAD, "monitor").keys))
    assert decide(credentials, headers(x_api_key=GOOD), {}, Scope.ADMIN) == EVERYTHING
    assert decide(credentials, headers(x_api_key=BAD), {}, Scope.READ) == Principal("monitor", Scope.READ)
    assert isinstance(decide(credentials, headers(x_api_key=BAD), {}, Scope.WRITE), Denial)


@pytest.mark.parametrize("secret", [None, "", "   "])
@pytest.mark.parametrize("mode", [AuthMode.TOKEN, AuthMode.PASSWORD])
def test_a_mode_with_a_secret_does_not_open_without_one(mode: AuthMode, secret: str | None) -> None:
    with pytest.raises(ValueError, match=mode.value):
        Credentials.of(Auth(mode, secret))


def test_the_secret_is_not_kept() -> None:
    assert GOOD not in repr(key())
    assert all(GOOD.encode() not in held.digest for held in key().keys)


@pytest.mark.parametrize(
    ("lines", "query", "passes"),
    [
        ([], {"token": GOOD}, True),
        ([], {"token": f" {GOOD} "}, True),
        ([], {"token": BAD}, False),
        ([], {"token": ""}, False),
        ([], {"token": "\ufffd"}, False),
        (headers(x_api_key=GOOD), {"token": GOOD}, True),
        (headers(x_api_key=GOOD), {"token": ""}, True),
        (headers(x_api_key=GOOD), {"token": BAD}, False),
        (headers(x_api_key=BAD), {"token": GOOD}, False),
    ],
)
def test_where_a_token_in_the_query_counts_it_is_a_credential_like_another(
    lines: list[tuple[bytes, bytes]], query: dict[str, str], passes: bool
) -> None:
    decision = decide(key(), lines, query, Scope.READ, takes_token_in_query=True)
    assert isinstance(decision, Principal) is passes

from __future__ import annotations

from xopc.core.known_secrets import KnownSecrets


def test_a_known_secret_is_masked_wherever_it_stands() -> None:
    known = KnownSecrets()
    known.know(["an-invented-secret", "a+b(c)[d"])
    value = {"message": "it was an-invented-secret!", "list": ["a+b(c)[d", 1, None, {"x": ("an-invented-secret",)}]}
    assert known.hide(value) == {"message": "it was ***!", "list": ["***", 1, None, {"x": ["***"]}]}


def test_of_two_that_begin_alike_the_longer_is_masked_whole() -> None:
    known = KnownSecrets()
    known.know(["invented-1", "invented-1-and-more"])
    assert known.hide("invented-1-and-more invented-1") == "*** ***"


def test_those_of_before_stay_known() -> None:
    known = KnownSecrets()
    assert known.hide("the-first-one") == "the-first-one"
    known.know(["the-first-one"])
    known.know(["the-second-one", " the-first-one\n"])
    assert known.hide("the-first-one the-second-one") == "*** ***"


def test_what_may_be_part_of_any_word_is_not_masked() -> None:
    known = KnownSecrets()
    known.know(["", " ", "gateway"])
    assert known.hide("the gateway") == "the gateway"

"""The options that stand before or behind any command: whose gateway it is about."""

from __future__ import annotations

import os
from collections.abc import Sequence

from xopc.config.profile import DEV, VARIABLE, wrong_name

PROFILE_OPTION = "--profile"
DEV_OPTION = "--dev"


def use_profile(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--profile NAME` and `--dev`. The profile that they name is the environment's from now on.

    Behind `--` nothing is an option.

    Raises:
        ValueError: they contradict each other, or name none that can be. The text is for whoever typed them.
    """
    kept, profile = take_profile(arguments)
    if profile is not None:
        os.environ[VARIABLE] = profile
    return kept


def take_profile(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The same without a change: the arguments, and the profile; None where they name none."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    words, rest = iter(arguments[:end]), list(arguments[end:])
    kept: list[str] = []
    named: dict[str, str] = {}
    for word in words:
        option, equals, value = word.partition("=")
        if word == DEV_OPTION:
            _note(named, DEV, f"{DEV_OPTION} is the profile {DEV}")
        elif option == PROFILE_OPTION:
            name = value if equals else next(words, "")
            if (what := wrong_name(name)) is not None:
                raise ValueError(
                    f"{PROFILE_OPTION}: {name!r} {what}" if name else f"{PROFILE_OPTION} takes the name of a profile"
                )
            _note(named, name, f"{PROFILE_OPTION} names {name}")
        else:
            kept.append(word)
    return [*kept, *rest], next(iter(named), None)


def _note(named: dict[str, str], profile: str, said: str) -> None:
    named.setdefault(profile, said)
    if len(named) > 1:
        raise ValueError(f"{', and '.join(named.values())}: give one of them")

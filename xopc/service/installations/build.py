"""Makes an environment with another version of xopc in it, with the tools of Python itself: `venv` and pip.

What the user told pip counts as ever: its configuration, `PIP_INDEX_URL`, `PIP_FIND_LINKS`, proxies, certificates.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.program import NAME
from xopc.service.installations.versions import Environment, Installations, read_environment
from xopc.service.managers.base import ServiceManagerError
from xopc.service.managers.tools import Ran, run_tool

BUILD_SECONDS = 900.0
"""For pip, which may have to fetch and build all that xopc needs."""
TOLD_LINES = 12
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
_FROM_CLONE = """\
If you have a clone of xopc, make a wheel there, and take that:
   git pull && python3 -m pip wheel --no-deps --wheel-dir dist .
   xopc update --wheel dist/xopc-VERSION-py3-none-any.whl"""
# -I: neither the working directory nor PYTHONPATH counts in what is to stand alone.
_ISOLATED = "-I"


@frozen
class Candidate:
    """A version that can be installed."""

    version: str
    origin: str
    requirement: str
    """What pip is told: `xopc==1.2.0`, or the path of a wheel."""


def resolve(version: str | None, wheel: Path | None, kept: Sequence[Environment] = ()) -> Candidate:
    """What pip would install: the wheel, the version, or the newest one. It is not asked for a version that is `kept`,
    which is to be had without a network.

    Raises:
        XopcError: `NOT_FOUND`: pip finds nothing; the text is pip's.
    """
    for each in kept:
        if each.version == version:
            return Candidate(each.version, each.origin, f"{NAME}=={each.version}")
    requirement = str(wheel.absolute()) if wheel else NAME if version is None else f"{NAME}=={version}"
    with _python_with_pip() as python:
        ran = _run(
            *(python, _ISOLATED, *_PIP, "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"),
            *("--report", "-", requirement),
        )
    if ran.code != 0:
        what = f"pip finds no {requirement}:\n{_end_of(ran)}"
        raise XopcError(Failure.NOT_FOUND, what if wheel else f"{what}\n{_FROM_CLONE}")
    try:
        report = cast("dict[str, Any]", json.loads(ran.output))
        (found,) = report["install"]
        name, resolved = found["metadata"]["name"], str(found["metadata"]["version"])
        origin = _origin(found["download_info"])
    except (ValueError, LookupError, TypeError):
        raise XopcError(Failure.INTERNAL_ERROR, f"pip's answer is not understood: {ran.output[:200]}") from None
    if name != NAME:
        raise XopcError(Failure.INVALID_REQUEST, f"{requirement} is {name}, and not {NAME}: name a wheel of {NAME}")
    if wheel is not None:
        return Candidate(resolved, f"sha256={sha256(wheel.read_bytes()).hexdigest()}", requirement)
    return Candidate(resolved, origin, f"{NAME}=={resolved}")


def build(candidate: Candidate, place: Path, installed: Installations) -> Environment:
    """Make the environment at `place`, which is free.

    It counts only when all of it is on the disk: one that was cut off is no environment, and removed some time.

    Raises:
        XopcError: it cannot be made; what there is of it is removed.
        OSError: the disk fails.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    python = str(place / "bin" / "python")
    try:
        _check(_run(sys.executable, _ISOLATED, "-m", "venv", str(place)), f"{place} cannot be made")
        command = (python, _ISOLATED, *_PIP, "install", "--quiet", candidate.requirement)
        _check(_run(*command), f"xopc {candidate.version} cannot be installed")
        where = (python, _ISOLATED, "-c", f"import {NAME}; print({NAME}.__file__)")
        version_file = _check(_run(*where), f"xopc {candidate.version} does not start").output
        os.sync()
        installed.seal(place, Path(version_file), candidate.origin)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    made = read_environment(place)
    if made is None:
        raise XopcError(Failure.INTERNAL_ERROR, f"{place} was made, and is not whole: see whether the disk is well")
    return made


def is_newer(version: str, than: str) -> bool:
    """Whether a version that pip chose is an update: of pre-releases of one version pip's word counts.

    >>> is_newer("1.10.0", "1.9.2"), is_newer("1.2.0", "1.2.0rc1"), is_newer("1.2.0", "1.3.0rc1")
    (True, True, False)
    """
    return version != than and _release(version) >= _release(than)


def last_lines(text: str) -> str:
    """The end of what a tool said, indented, for people."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"   {line}" for line in lines[-TOLD_LINES:]) or "   it said nothing"


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", version)
    found = [int(number) for number in numbers[1].split(".")] if numbers else []
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


@contextmanager
def _python_with_pip() -> Generator[str]:
    """An interpreter that has pip, which environments of some installers lack."""
    if find_spec("pip") is not None:
        yield sys.executable
        return
    with tempfile.TemporaryDirectory(prefix="xopc-pip-") as scratch:
        _check(_run(sys.executable, _ISOLATED, "-m", "venv", scratch), "pip cannot be set up")
        yield str(Path(scratch) / "bin" / "python")


def _run(*command: str) -> Ran:
    try:
        return run_tool(*command, seconds=BUILD_SECONDS)
    except ServiceManagerError as error:
        raise XopcError(Failure.UNAVAILABLE, str(error)) from None


def _check(ran: Ran, what: str) -> Ran:
    if ran.code != 0:
        raise XopcError(Failure.UNAVAILABLE, f"{what}:\n{_end_of(ran)}")
    return ran


def _end_of(ran: Ran) -> str:
    return last_lines("\n".join((ran.output, ran.errors)))


def _origin(download: dict[str, Any]) -> str:
    archive = download.get("archive_info", {})
    hashes = archive.get("hashes", {})
    return f"sha256={hashes['sha256']}" if "sha256" in hashes else archive.get("hash") or str(download["url"])

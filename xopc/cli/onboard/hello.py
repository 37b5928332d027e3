"""The end of a set-up: a gateway that runs with it, and the assistant's first answer."""

from __future__ import annotations

import signal
import subprocess  # noqa: TID251 - a command waits for the gateway that it started; no event loop does
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from xopc.cli.gateway.target import find_target
from xopc.contracts.errors import Failure, XopcError
from xopc.service.poll import attempts

if TYPE_CHECKING:
    from xopc.cli.reply import Reply

START_SECONDS = 30.0
ANSWER_SECONDS = 180.0
STOP_SECONDS = 10.0
LAST_LINES = 8
"""Of what a gateway said that did not start."""


def say_hello(config: Path | None, text: str, reply: Reply | None) -> str:
    """What the assistant answers; shown while it comes, where there is a `reply`.

    Raises:
        XopcError: it does not answer; with the reason.
    """
    from xopc.cli.agent import Run

    run = Run({"message": text})
    result = run.follow(config, ANSWER_SECONDS, reply)
    answer = str(result.get("reply") or "")
    if result.get("status") != "ok":
        if reply is not None:
            reply.end_line()
        raise XopcError(Failure.AGENT_FAILED, run.error or "The agent failed, and did not say why.")
    if reply is not None:
        reply.finish(answer)
    return answer


@contextmanager
def own_gateway(config: Path | None, environ: Mapping[str, str]) -> Generator[None]:
    """A gateway that runs for the length of the block, as `xopc gateway` does, and says nothing.

    Raises:
        XopcError: it does not start; with what it said.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "xopc", "gateway"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        is_ending = False
        before = {number: signal.signal(number, _leave) for number in (signal.SIGHUP, signal.SIGTERM)}
        try:
            if not until_ready(config, process):
                raise XopcError(Failure.UNAVAILABLE, f"The gateway did not start:\n{_last_lines(output)}")
            yield
        except KeyboardInterrupt:
            is_ending = True  # Ctrl+C reached it as well, and a second signal would not let it drain
            raise
        finally:
            _end(process, is_ending=is_ending)
            for number, handler in before.items():
                signal.signal(number, handler)


def until_ready(config: Path | None, process: subprocess.Popen[bytes] | None = None) -> bool:
    """Wait until the gateway answers; False where it does not in time, or where its process has ended."""
    for _ in attempts(START_SECONDS, first=0.05, longest=0.5):
        with suppress(XopcError):
            if find_target(config).client(2.0).get("/health").get("status") == "healthy":
                return True
        if process is not None and process.poll() is not None:
            return False
    return False


def _leave(number: int, _: object) -> NoReturn:
    """Whoever closes the terminal wants no gateway that nobody knows of."""
    raise SystemExit(128 + number)


def _end(process: subprocess.Popen[bytes], *, is_ending: bool) -> None:
    if not is_ending and process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_lines(output: TextIO) -> str:
    output.seek(0)
    lines = [line.rstrip() for line in output if line.strip()]
    return "\n".join(f"   {line}" for line in lines[-LAST_LINES:]) or "   it said nothing"

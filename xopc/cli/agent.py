"""`xopc agent`."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from cyclopts import Parameter

from xopc.cli.message_text import TextArgument, read_text
from xopc.cli.options import ConfigOption, Duration, DurationOption, JsonOption
from xopc.cli.output import fail, print_json
from xopc.cli.reach import may_pass, reach
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xopc.cli.reply import Reply
    from xopc.client.http import Client, JsonObject
    from xopc.client.stream import Frame

AGENT_PATH = "/api/agent"
RESUME_PATH = "/api/agent/resume"
ABORT_PATH = "/api/agent/abort"
DEFAULT_TIMEOUT = Duration(600)
ABORT_SECONDS = 3.0
LOOK = "The answer will be in the session: xopc sessions list, then xopc sessions show KEY"


def agent(
    message: TextArgument,
    /,
    *,
    session: Annotated[str | None, Parameter(help="Name or key of the session (default: default).")] = None,
    agent_id: Annotated[str | None, Parameter(name="--agent", help="Which agent, by its id.")] = None,
    model: Annotated[str | None, Parameter(help="For this answer alone: provider/model.")] = None,
    as_json: JsonOption = False,
    no_stream: Annotated[bool, Parameter(help="Print the answer when it is complete, and nothing else.")] = False,
    timeout: Annotated[
        DurationOption, Parameter(help="How long the answer may take (default: 10m).")
    ] = DEFAULT_TIMEOUT,
    config: ConfigOption = None,
) -> int:
    """Say something to an agent, and print its answer as it is written.

    Ctrl+C stops the agent. A restart of the gateway in the middle is waited out.
    """
    wanted = {"message": read_text(message), "session": session, "agentId": agent_id, "model": model}
    run = Run({name: value for name, value in wanted.items() if value is not None})
    reply = _reply()
    try:
        result = run.follow(config, timeout, None if as_json or no_stream else reply)
    except KeyboardInterrupt:
        with suppress(BrokenPipeError):  # whoever read the answer may have gone with the same Ctrl+C
            reply.end_line()
        run.abort(config)
        raise
    except XopcError as error:
        reply.end_line()
        hints = [LOOK] if run.id is not None else []
        return fail(error.message, as_json=as_json, hints=hints, runId=run.id)
    if not as_json:
        reply.finish(str(result.get("reply") or ""))
    return _tell_end(run, result, as_json=as_json)


class Run:
    """One turn of an agent as its client sees it: over as many connections as it takes, until its result."""

    def __init__(self, request: Mapping[str, str]) -> None:
        self.id: str | None = None
        """None until the gateway has taken the message."""
        self.error: str | None = None
        """What went wrong in it."""
        self._request = request
        self._key = str(uuid4())

    def follow(self, config: Path | None, seconds: float, reply: Reply | None) -> JsonObject:
        """Have the message answered, show how, and return the result.

        Raises:
            XopcError: it was refused, or there is no result in time.
        """
        why = ""
        for client in reach(config, seconds):
            try:
                result = self._attempt(client, reply)
            except XopcError as error:
                if not may_pass(error):
                    raise
                why = f" ({error.message})"
            else:
                if result is not None:
                    return result
                why = " (the gateway ended the stream before the answer was complete)"
            if reply is not None:
                reply.pause()
        raise XopcError(Failure.UNAVAILABLE, f"There is no answer after {seconds:g} s{why}.")

    def abort(self, config: Path | None) -> None:
        """Stop it; where that fails, tell that it goes on."""
        from xopc.cli.gateway.target import find_target

        if self.id is None:
            return
        try:
            find_target(config).client(ABORT_SECONDS).post(ABORT_PATH, {"runId": self.id})
        except XopcError as error:
            print(f"⚠️  The agent could not be stopped: {error.message}", file=sys.stderr)

    def _attempt(self, client: Client, reply: Reply | None) -> JsonObject | None:
        """One connection; None where it ended before the result came."""
        from xopc.client.http import NO_HEADERS
        from xopc.client.stream import open_stream

        if self.id is None:
            path, body, headers = AGENT_PATH, self._request, {"Idempotency-Key": self._key}
        else:
            # Without Last-Event-ID: `Reply` leaves out what stands there already, and sees what became different.
            path, body, headers = RESUME_PATH, {"runId": self.id}, NO_HEADERS
        with open_stream(client, path, body, headers) as frames:
            for frame in frames:
                self._take(frame, reply)
                if frame.event == "result":
                    return frame.data
        return None

    def _take(self, frame: Frame, reply: Reply | None) -> None:
        run_id, content = frame.data.get("runId"), frame.data.get("content")
        if frame.event == "status" and isinstance(run_id, str):
            if self.id is not None and reply is not None:
                reply.begin_again()
            self.id = run_id
        if frame.event == "error" and isinstance(content, str):
            self.error = content
        if reply is not None:
            reply.show(frame)


def _reply() -> Reply:
    from xopc.cli.reply import Reply

    return Reply(sys.stdout)


def _tell_end(run: Run, result: JsonObject, *, as_json: bool) -> int:
    """Tell how it ended. Returns the exit code."""
    told = {name: value for name, value in result.items() if name not in ("ok", "payload")}
    match result.get("status"):
        case "ok":
            if as_json:
                print_json({"ok": True, **told})
            return EXIT_OK
        case "aborted":
            why = "The agent was stopped."
        case _:
            why = run.error or "The agent failed, and did not say why."
    return fail(why, as_json=True, **told) if as_json else fail(why, as_json=False)

"""What becomes of sessions in the running gateway: followed, kept, exported, pruned and forgotten."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.e2e.harness import TOKEN, Gateway, Reply, until
from tests.e2e.outside import CHAT, Listener, Outside, ask

JSON = {"Content-Type": "application/json"}
STREAM = {**JSON, "Accept": "text/event-stream"}
PRIVATE = f"main:telegram:default:dm:{CHAT}"
SECRET = "the sword is in the lake"


def post(gateway: Gateway, path: str, **body: object) -> Reply:
    return gateway.request("POST", path, body=json.dumps(body), headers=JSON)


def frames(text: str) -> list[tuple[str, Any]]:
    """The events of a stream and their data."""
    found: list[tuple[str, Any]] = []
    for frame in text.replace("\r\n", "\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line)
        if "event" in lines and "data" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def detail(gateway: Gateway, key: str) -> Any:  # noqa: ANN401 - JSON
    return gateway.request("GET", f"/api/sessions/{key}").json["session"]


def test_row_136_the_agent_streams_for_the_console_and_ends_with_a_result(talking: Gateway) -> None:
    body = json.dumps({"message": "stream to me", "session": "console"})
    reply = talking.request("POST", "/api/agent", body=body, headers=STREAM)
    events = frames(reply.body.decode())
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert events[0] == ("status", {"type": "status", "status": "accepted", "runId": events[0][1]["runId"]})
    assert "".join(data["content"] for event, data in events if event == "token") == "You said: stream to me"
    assert (events[-1][0], events[-1][1]["reply"]) == ("result", "You said: stream to me")


def test_a_page_that_was_loaded_anew_finds_the_answer_that_is_being_written(talking: Gateway, world: Outside) -> None:
    world.write("slow:3")
    run_id = until(lambda: active_run(talking, PRIVATE), "the run is told", 15)
    body = json.dumps({"session": PRIVATE})
    events = frames(talking.request("POST", "/api/agent/resume", body=body, headers=JSON).body.decode())
    assert events[0][1]["runId"] == run_id
    assert events[-1][1]["reply"] == "You said: slow:3"
    assert detail(talking, PRIVATE)["activeRun"] is None
    assert post(talking, "/api/agent/resume", session=PRIVATE).status == 404


def test_a_client_whose_gateway_crashed_hears_the_answer_from_its_beginning(talking: Gateway, world: Outside) -> None:
    message = "slow:4 one two three four five"
    with closing(http.client.HTTPConnection("127.0.0.1", talking.port, timeout=20)) as connection:
        credential = {**STREAM, "Authorization": f"Bearer {TOKEN}"}
        connection.request("POST", "/api/agent", json.dumps({"message": message, "session": "lost"}), credential)
        stream, heard = connection.getresponse(), ""
        while heard.count("event: token") < 2 or not heard.endswith("\n\n"):
            heard += stream.readline().decode()
    run_id, last_id = frames(heard)[0][1]["runId"], heard.rpartition("id: ")[2].splitlines()[0]
    os.kill(talking.child_pid, signal.SIGKILL)
    until(lambda: len(world.asked()) == 2, "the agent goes on", 15)
    time.sleep(2)  # the new process has said more than the client had heard
    body = json.dumps({"runId": run_id})
    resumed = talking.request("POST", "/api/agent/resume", body=body, headers={**JSON, "Last-Event-ID": last_id})
    events = frames(resumed.body.decode())
    assert events[0] == ("status", {"type": "status", "status": "accepted", "runId": run_id})
    assert "".join(data["content"] for event, data in events if event == "token") == f"You said: {message}"
    assert events[-1][1]["reply"] == f"You said: {message}"


def active_run(gateway: Gateway, key: str) -> str | None:
    reply = gateway.request("GET", f"/api/sessions/{key}")
    return reply.json["session"]["activeRun"] if reply.status == 200 else None


def test_a_run_is_stopped_by_its_session(talking: Gateway, world: Outside) -> None:
    world.write("slow:30")
    until(world.asked, "the model is asked")
    assert post(talking, "/api/agent/abort", session=PRIVATE).json["payload"] == {"aborted": True}
    until(lambda: detail(talking, PRIVATE)["activeRun"] is None, "it has ended")


def test_what_is_done_with_a_session_outlives_a_restart(talking: Gateway) -> None:
    ask(talking, "hello", session="kept")
    key = "main:webchat:default:direct:kept"
    for action in (("rename", key, "My list"), ("pin", key)):
        assert talking.xopc("sessions", *action).returncode == 0
    assert talking.xopc("gateway", "restart", "--wait", "30s").returncode == 0
    session = detail(talking, key)
    assert (session["name"], session["status"], session["stats"]["turnCount"]) == ("My list", "pinned", 1)
    assert "My list" in talking.xopc("sessions", "list", "--status", "pinned").stdout
    assert "1 pinned" in talking.xopc("sessions", "stats").stdout
    assert talking.request("DELETE", "/api/sessions/stats").status == 405


def test_all_sessions_are_exported_into_a_folder(talking: Gateway, tmp_path: Path) -> None:
    for name in ("one", "two"):
        ask(talking, f"hello {name}", session=name)
    folder = tmp_path / "export"
    told = talking.xopc("sessions", "export", "--to", str(folder), "--format", "json", "--json")
    assert json.loads(told.stdout)["files"] == [f"main.webchat.default.direct.{name}.json" for name in ("one", "two")]
    session = json.loads((folder / "main.webchat.default.direct.two.json").read_text())
    assert [message["content"] for message in session["messages"]] == ["hello two", "You said: hello two"]
    text = talking.xopc("sessions", "export", "main:webchat:default:direct:one").stdout
    assert "You said: hello one" in text


def test_pruning_tells_first_and_leaves_alone_what_is_kept(talking: Gateway) -> None:
    for name in ("one", "two", "three"):
        ask(talking, "hello", session=name)
    one, two = (f"main:webchat:default:direct:{name}" for name in ("one", "two"))
    talking.xopc("sessions", "archive", one)
    told = talking.xopc("sessions", "prune", "--keep-newest", "1")
    assert two in told.stdout
    assert "1 session would be forgotten" in told.stdout
    assert talking.request("GET", "/api/sessions").json["total"] == 3
    assert "1 session forgotten" in talking.xopc("sessions", "prune", "--keep-newest", "1", "--yes").stdout
    assert {item["key"] for item in talking.request("GET", "/api/sessions").json["items"]} == {
        one,
        "main:webchat:default:direct:three",
    }


def test_of_a_forgotten_person_nothing_is_left_in_the_database(talking: Gateway, world: Outside) -> None:
    other = CHAT + 1
    world.meet(other)
    world.write(SECRET)
    world.write("something else", chat=other)
    world.until_sent(1)
    world.until_sent(1, chat=other)
    files = [file for file in talking.state.rglob("*.db*") if file.is_file()]
    assert any(SECRET.encode() in file.read_bytes() for file in files)
    listener = Listener(talking, f"?token={TOKEN}")
    until(lambda: "event: connected" in listener.heard, "the stream is greeted")

    told = talking.xopc("sessions", "forget", f"telegram:{CHAT}")
    assert PRIVATE in told.stdout
    assert "Nothing was changed" in told.stdout
    assert talking.request("GET", f"/api/sessions/{PRIVATE}").status == 200
    done = talking.xopc("sessions", "forget", f"telegram:{CHAT}", "--yes")
    assert done.returncode == 0, done.stderr
    assert talking.request("GET", f"/api/sessions/{PRIVATE}").status == 404
    until(lambda: "event: session.deleted" in listener.heard, "it is told")
    listener.hang_up()
    assert [file for file in files if file.exists() and SECRET.encode() in file.read_bytes()] == []
    assert detail(talking, f"main:telegram:default:dm:{other}")["messageCount"] == 2
    assert talking.xopc("sessions", "forget", "nobody", "--yes").returncode == 1


def test_the_sessions_of_jobs_and_heartbeats_are_sessions_like_any(talking: Gateway) -> None:
    for key, kind in (("cron:1a2b3c4d", "cron"), ("heartbeat:main", "heartbeat"), ("main:acp:0c1d", "acp")):
        assert ask(talking, "hello", session=key).json["sessionKey"] == key
        assert detail(talking, key.replace(":", "%3A"))["sessionType"] == kind
    assert talking.request("GET", "/api/sessions?channel=cron").json["total"] == 1

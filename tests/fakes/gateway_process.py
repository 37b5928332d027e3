"""A gateway in one process, for what talks to one: lock, port, signals, intent and the API, and nothing behind them.

Run as `python …/xopc gateway`, so that its arguments are those of a gateway. `FAKE_GATEWAY` holds a `Behaviour`.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from xopc_supervisor.contract import LockInfo, start_time

wanted = json.loads(os.environ["FAKE_GATEWAY"])
state: dict[str, Any] = {"generation": 1, "status": "healthy", "started": time.time(), "last": None}


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def health() -> dict[str, Any]:
    return {
        "status": state["status"],
        "uptime": int(time.time() - state["started"]),
        "service": "xopc-gateway",
        "version": wanted["version"],
        "bootId": wanted["boot_id"],
        "generation": state["generation"],
        "pid": os.getpid(),
        "gatewayPid": os.getpid(),
        "startedAt": stamp(state["started"]),
        "problems": wanted["problems"],
    }


def status() -> dict[str, Any]:
    since = stamp(state["started"])
    problems = [{"code": code, "message": f"{code}: a message", "since": since} for code in wanted["problems"]]
    more = {"authMode": "token", "lastRestart": state["last"], "warnings": wanted["warnings"]}
    more["addresses"] = wanted["addresses"]
    return {"health": health(), "problems": problems, **more}


def tree() -> dict[str, Any]:
    failed = {"name": "channels", "state": wanted["channels"], "since": stamp(time.time() - 130), "restarts": 2}
    failed["lastError"] = "no network"
    leaf = {"name": "writer", "state": "running", "since": stamp(time.time() - 4000), "restarts": 0}
    leaf |= {"lastError": None, "children": []}
    storage = {**leaf, "name": "storage", "children": [leaf]}
    return {**leaf, "name": "gateway", "children": [storage, {**failed, "children": []}]}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with Path(wanted["requests"]).open("a") as file:
            file.write(f"{self.path} {self.headers.get('Authorization')}\n")
        if self.path == "/api/health":
            self.answer(wanted["health_code"], health())
        elif self.headers.get("Authorization") != f"Bearer {wanted['token']}":
            self.answer(401, {"error": {"code": "UNAUTHORIZED", "message": "A valid token is needed."}})
        else:
            self.answer(200, {"/api/status": status, "/api/tree": tree}[self.path]())

    def answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Nothing: the output is for the port."""


def rewrite(**fields: str | None) -> None:
    path = Path(wanted["lock_path"])
    info = LockInfo.from_json(path.read_text())
    assert info is not None
    path.write_text(info._replace(**fields).to_json())  # type: ignore[arg-type]  # real fields


def restart() -> None:
    intent = Path(wanted["intent_path"])
    reason = json.loads(intent.read_text())["reason"] if intent.exists() else "SIGUSR1"
    if wanted["on_usr1"] != "unread":
        intent.unlink(missing_ok=True)
    if wanted["on_usr1"] == "refuse":
        return
    if wanted["on_usr1"] == "decline":
        rewrite(state="handing-over")
        time.sleep(0.5)
        rewrite(state="serving", problem="no memory left")
        return
    state["status"] = "restarting"
    time.sleep(wanted["restart_seconds"])
    state.update(status="healthy", generation=state["generation"] + 1, started=time.time())
    state["last"] = {"kind": "in-process", "reason": reason, "at": stamp(time.time() - 200), "durationMs": 41}


signals = {signal.SIGUSR1, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
if wanted["lock_path"]:
    lock = Path(wanted["lock_path"])
    lock.parent.mkdir(parents=True, exist_ok=True)
    info = LockInfo(os.getpid(), start_time(os.getpid()), "", stamp(time.time()), boot_id=wanted["boot_id"])
    info = info._replace(host="127.0.0.1", port=port, state=wanted["state"])
    lock.write_text(info.to_json())
sys.stdout.write(f"{port}\n")
sys.stdout.flush()
while True:
    if signal.sigwait(signals) == signal.SIGUSR1:
        if wanted["on_usr1"] != "ignore":
            restart()
    elif wanted["on_term"] == "exit":
        if wanted["lock_path"]:
            Path(wanted["lock_path"]).unlink(missing_ok=True)
        os._exit(0)

"""A child of the supervisor that needs no gateway: speaks the line, and does what its environment says.

`FAKE_CHILD` holds a script of comma-separated steps:
`ready` (stands by, and serves at `go`), `ready-with-spare` (and wants one), `ready-watched:SECONDS` (at once), `hang`
(until a signal or the lifeline ends it), `exit:N`, `kill:N`, `say:WORDS` (; stands for a comma), `ignore-term`,
`leave-orphan` (a process in its group that outlives it), `leave-stranger` (one that is in no group of ours), `stubborn`
(ignores the lifeline), `wait:SECONDS`.
Each life may have its own script: scripts are separated by `|`, the last one repeats; the number of the life
is counted in the file `FAKE_CHILD_LOG`, which also gets a line of JSON for each thing that happens.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from xopc_supervisor.contract import INHERITANCE_VARIABLE, Inheritance

inheritance = Inheritance.from_json(os.environ[INHERITANCE_VARIABLE])
log_path = Path(os.environ["FAKE_CHILD_LOG"])


def note(**fields: object) -> None:
    with log_path.open("a") as log:
        log.write(json.dumps({"pid": os.getpid(), **fields}) + "\n")


def lives() -> int:
    return sum('"born"' in line for line in log_path.read_text().splitlines()) if log_path.exists() else 0


scripts = os.environ["FAKE_CHILD"].split("|")
script = scripts[min(lives(), len(scripts) - 1)].split(",")
line = socket.socket(fileno=inheritance.line_fd)
note(
    event="born",
    beside=inheritance.heirloom_fd is not None,
    spare=inheritance.is_spare,
    accepted=inheritance.use_accepted,
    boot=inheritance.boot_id,
    group=os.getpgid(0),
    ports=[socket.socket(fileno=os.dup(fd)).getsockname()[1] for fd in inheritance.listen_fds],
    environment=sorted(os.environ),
)
stubborn = "stubborn" in script


pending = b""


def hear() -> list[str]:
    """The next words, which are noted; the process ends with the line."""
    global pending
    select.select([line], [], [])
    data, fds, _, _ = socket.recv_fds(line, 4096, 8)
    if not data:
        note(event="lifeline ended")
        if stubborn:
            time.sleep(30)
        os._exit(0)
    *lines, pending = (pending + data).split(b"\n")
    words = [text.decode() for text in lines]
    for text in words:
        note(event="heard", words=text, fds=len(fds))
        word, _, detail = text.partition(" ")
        if word == "go":
            note(event="go", **json.loads(detail))
        if word == "sockets":
            for fd in inheritance.listen_fds:
                os.close(fd)
            note(event="sockets", ports=[socket.socket(fileno=fd).getsockname()[1] for fd in fds])
    return words


def hang() -> None:
    """Until the line ends; the wish for a successor is said, and followed, as the gateway does."""
    while True:
        for text in hear():
            if text.startswith("restart respawn"):
                line.sendall(f"{text}\n".encode())
            if text.startswith("hand-over"):
                os._exit(75)


def on_term(*_: object) -> None:
    note(event="SIGTERM")
    os._exit(0)


def on_term_slowly(*_: object) -> None:
    line.sendall(b"stopping\n")
    signal.signal(signal.SIGTERM, on_term_ignored)
    time.sleep(1)
    note(event="drained")
    os._exit(0)


def on_term_ignored(*_: object) -> None:
    note(event="SIGTERM ignored")


signal.signal(signal.SIGTERM, on_term)
for step in script:
    name, _, value = step.partition(":")
    match name:
        case "ready" | "ready-with-spare":
            line.sendall(b"standby 0.1.0 1\n")
            while not any(text.startswith("go ") for text in hear()):
                pass
            line.sendall(f"listening\nready 0 {int(name == 'ready-with-spare')}\n".encode())
        case "ready-watched":
            line.sendall(f"standby 0.1.0 1\nlistening\nready {value}\n".encode())
        case "say":
            line.sendall(f"{value.replace(';', ',')}\n".encode())
        case "exit":
            sys.stdout.flush()
            os._exit(int(value))
        case "kill":
            os.kill(os.getpid(), int(value))
        case "stop-slowly":
            signal.signal(signal.SIGTERM, on_term_slowly)
        case "ignore-term":
            signal.signal(signal.SIGTERM, on_term_ignored)
        case "leave-orphan" | "leave-stranger":
            orphan = subprocess.Popen(["sleep", "60"], close_fds=True, start_new_session=name == "leave-stranger")
            note(event="orphan", orphan=orphan.pid)
        case "wait":
            time.sleep(float(value))
        case "hang":
            hang()
        case _:
            assert step == "stubborn", step

"""The processes of a gateway, in a process of their own that waits for all its children and may kill them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SET_UP = """
import os, signal, socket, sys, time
from xopc_supervisor import contract, lock
from xopc_supervisor.contract import Address, Launch, LockInfo
from xopc_supervisor.estate import Estate
from xopc_supervisor.family import Family
from xopc_supervisor.manager import Manager
from xopc_supervisor.states import Exited, Said, Who

CHILD = '''
import os, sys
from xopc_supervisor.contract import Inheritance
line = Inheritance.from_json(os.environ["XOPC_INHERITANCE"]).line_fd
os.write(line, b"standby 0.1.0 1\\\\nfailed a reason\\\\n")
if len(sys.argv) > 1: sys.exit(3)
os.read(line, 1)
'''

def family(*arguments):
    path = sys.argv[1]
    launch = Launch(path, path, path + "/lock", path, path, (Address("127.0.0.1", 0),),
                    (sys.executable, "-c", CHILD, *arguments), (), "", "", {})
    info = LockInfo(os.getpid(), None, path, "")
    held, listener = lock.acquire(launch.lock_path, info), socket.create_server(("127.0.0.1", 0))
    estate = Estate(launch, held, [listener], Manager(None))
    return Family(estate, (), print)

def until(found):
    deadline = time.monotonic() + 10
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return value
"""

LAST_WORDS = """
one = family("ends")
one.start_child(use_accepted=False)
pid = one.child.pid
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
said, failed, exited = one.exits()
assert said == Said("standby", "0.1.0 1") and failed == Said("failed", "a reason") and exited == Exited(3), exited
assert one.child is None and one.down_since is not None and list(one.exits()) == []
"""

DEFECT = """
one = family("ends")
one.start_child(use_accepted=False)
os.waitid(os.P_PID, one.child.pid, os.WEXITED | os.WNOWAIT)
try:
    for event in one.exits():
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
assert one.child is None  # or nobody would ever start another
"""

PROMOTED = """
one = family()
one.start_child(use_accepted=False)
one.start_candidate(is_spare=False)
first, second = one.child, one.candidate
until(lambda: second.version or [event for event in one.words()] and second.version)
one.kill(signal.SIGKILL, Who.CHILD)
(exited,) = until(lambda: [event for event in one.exits() if isinstance(event, Exited)])
assert exited == Exited(-9) and one.child is None
one.promote()
assert one.child is second and one.candidate is None
one.end()
assert not contract.is_alive(second.pid, None)
"""

SPARE = """
one = family()
one.start_child(use_accepted=False)
one.start_candidate(is_spare=True)
spare = one.candidate
one.drop_spare()
until(lambda: not contract.is_alive(spare.pid, None))
assert one.candidate is None and one.child is not None
assert not [event for event in one.exits() if isinstance(event, Exited)]  # reaped, and no event
one.tell("stop now")
one.end()
"""


@pytest.mark.parametrize(
    "code", [LAST_WORDS, DEFECT, PROMOTED, SPARE], ids=["last words", "defect", "promoted", "spare"]
)
def test_processes_are_started_heard_and_buried(tmp_path: Path, code: str) -> None:
    done = subprocess.run([sys.executable, "-c", SET_UP + code, str(tmp_path)], timeout=30, check=False)
    assert done.returncode == 0

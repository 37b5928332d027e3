from __future__ import annotations

import subprocess
import sys

CODE = """
import os, signal, select
from xopc_supervisor import signals
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
caught = signals.Signals()
os.kill(os.getpid(), signal.SIGTERM)
select.select([caught], [], [], 10)
print(*sorted(caught.caught()))
"""


ENDING = """
import signal
from xopc_supervisor import signals
signals.Signals()
signals.ignore()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    assert signal.getsignal(number) is signal.SIG_IGN
assert signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN  # whose children nobody could wait for
"""


def test_the_last_moment_of_the_process_is_disturbed_by_none() -> None:
    subprocess.run([sys.executable, "-c", ENDING], timeout=30, check=True)


def test_signals_come_as_their_numbers_and_end_nothing_also_those_that_had_to_wait() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "10 15\n"


RENEWED = """
import os, signal
from xopc_supervisor.signals import Signals
before = Signals()
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGUSR1)
before.leave_to_the_kernel()
os.kill(os.getpid(), signal.SIGHUP)
print(*before.caught())
print(*sorted(Signals().caught()))
"""


def test_those_that_wait_when_the_code_is_replaced_come_to_the_next() -> None:
    done = subprocess.run([sys.executable, "-c", RENEWED], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "\n1 10 15\n"


STORM = """
import os, signal
from xopc_supervisor.signals import Signals
caught = Signals()
for _ in range(1000):
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGHUP)
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
print(*caught.caught())
print(*caught.caught())
"""


def test_in_a_storm_no_stop_is_lost_and_of_the_others_one_stands_for_all() -> None:
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "10 1 15 15\n\n"

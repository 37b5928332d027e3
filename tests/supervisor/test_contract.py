import subprocess
import sys

import pytest

from xopc_supervisor.contract import is_off, is_on


@pytest.mark.parametrize(
    ("value", "on", "off"),
    [
        ("1", True, False),
        ("TRUE", True, False),
        (" yes ", True, False),
        ("on", True, False),
        ("0", False, True),
        ("False", False, True),
        ("no", False, True),
        ("off", False, True),
        ("", False, False),
        ("maybe", False, False),
        (None, False, False),
    ],
)
def test_a_switch_reads_as_the_documents_say(value: str | None, on: bool, off: bool) -> None:
    assert (is_on(value), is_off(value)) == (on, off)


def test_the_supervisor_loads_nothing_large() -> None:
    code = "import sys; before = {*sys.modules}; import xopc_supervisor.__main__; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    large = {"_hashlib", "_ssl", "asyncio", "ctypes", "email", "inspect", "logging", "pathlib", "subprocess", "urllib"}
    assert large & {*done.stdout.split()} == set()

"""Reading a unit of systemd."""

from __future__ import annotations

import os
from pathlib import Path

from xopc.service.managers.unit_file import read_unit

UNIT = """
# Restart=no
[Service]
ExecStart=/opt/xopc \\
  gateway
Environment=A=1
Environment=B=2
Restart = always
; KillMode=none
"""


def test_a_setting_has_the_value_of_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.service"
    path.write_text(UNIT)
    unit = read_unit(path)
    assert unit is not None
    assert unit.last("Restart") == "always"
    assert unit.last("ExecStart").split() == ["/opt/xopc", "gateway"]
    assert unit.values["Environment"] == ("A=1", "B=2")
    assert unit.last("KillMode") == ""
    assert unit.text == UNIT


def test_drop_ins_come_on_top_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.service"
    path.write_text(UNIT)
    (tmp_path / "a.service.d").mkdir()
    (tmp_path / "a.service.d" / "20.conf").write_text("[Service]\nRestart=on-failure\nEnvironment=C=3")
    (tmp_path / "a.service.d" / "10.conf").write_text("[Service]\nRestart=no\nEnvironment=\n")
    unit = read_unit(path)
    assert unit is not None
    assert unit.last("Restart") == "on-failure"
    assert unit.values["Environment"] == ("C=3",), "an empty value takes back those before it"


def test_a_backslash_at_the_very_end_joins_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.service"
    path.write_text("[Service]\nExecStart=/opt/xopc \\")
    unit = read_unit(path)
    assert unit is not None
    assert unit.last("ExecStart") == "/opt/xopc"


def test_where_there_is_no_unit_there_is_none(tmp_path: Path) -> None:
    assert read_unit(tmp_path / "a.service") is None
    os.mkfifo(tmp_path / "a.service")
    assert read_unit(tmp_path / "a.service") is None


def test_a_drop_in_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.service").write_text("[Service]\nType=notify\n")
    (tmp_path / "a.service.d").mkdir()
    os.mkfifo(tmp_path / "a.service.d" / "a.conf")
    (tmp_path / "a.service.d" / "b.conf").write_text("[Service]\nRestart=no\n")
    unit = read_unit(tmp_path / "a.service")
    assert unit is not None
    assert (unit.last("Type"), unit.last("Restart")) == ("notify", "no")

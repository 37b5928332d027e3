"""Files that have an end, and what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xopc.config.regular import IrregularFileError, read_regular


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff text")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "file") == read_regular(tmp_path / "link", 6) == b"\xff text"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(IrregularFileError) as raised:
        read_regular(path)
    assert (raised.value.filename, raised.value.strerror) == (str(path), "it is no regular file: move it away")


@pytest.mark.parametrize("path", ["/dev/zero", "/"])
def test_a_device_and_a_directory_are_refused(path: str) -> None:
    with pytest.raises(IrregularFileError, match="no regular file"):
        read_regular(Path(path))


def test_what_is_larger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1234567")
    with pytest.raises(IrregularFileError, match="larger than 6 bytes"):
        read_regular(path, 6)


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "file")

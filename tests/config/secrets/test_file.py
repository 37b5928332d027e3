from __future__ import annotations

import os
from pathlib import Path

import pytest

from xopc.config.secrets.file import MAX_BYTES, LostError, is_exposed, read_secret_file, text_of


def kept(folder: Path, content: bytes = b"an-invented-secret\n", mode: int = 0o600) -> Path:
    file = folder / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def why(path: Path, **more: bool) -> str:
    with pytest.raises(LostError) as caught:
        read_secret_file(path, **more)
    assert "invented" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"one", "one"),
        (b"one\n", "one"),
        (b"one\r\n", "one"),
        (b"one\n\n", "one\n"),
        (b" one ", " one "),
        (b"-----BEGIN\nabc\n", "-----BEGIN\nabc"),
        ("schlüssel".encode(), "schlüssel"),
    ],
)
def test_the_line_break_at_the_end_is_no_part_of_it(tmp_path: Path, content: bytes, secret: str) -> None:
    assert read_secret_file(kept(tmp_path, content)) == secret


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o611])
def test_a_file_of_ours_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = kept(tmp_path, mode=mode)
    assert why(file) == f"{file} can be read by others (mode {mode:04o}): chmod 600 {file}"
    assert read_secret_file(file, is_private=False) == "an-invented-secret"


def test_a_file_of_somebody_else_is_as_it_is(tmp_path: Path) -> None:
    status = os.stat_result((0o100644, 0, 0, 1, os.geteuid() + 1, 0, 5, 0, 0, 0))
    assert not is_exposed(status)


def test_a_link_is_followed_to_the_file_that_counts(tmp_path: Path) -> None:
    file = kept(tmp_path)
    (tmp_path / "link").symlink_to(file)
    assert read_secret_file(tmp_path / "link") == "an-invented-secret"
    file.chmod(0o644)
    assert "can be read by others" in why(tmp_path / "link")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"invented\0more", "holds a NUL"),
        (b"x" * (MAX_BYTES + 1), "is larger than 64 KiB"),
    ],
    ids=["empty", "blank", "binary", "nul", "large"],
)
def test_what_is_no_secret_is_told_without_what_stands_in_it(tmp_path: Path, content: bytes, what: str) -> None:
    assert what in why(kept(tmp_path, content))


def test_as_much_as_fits_is_read(tmp_path: Path) -> None:
    assert len(read_secret_file(kept(tmp_path, b"x" * MAX_BYTES))) == MAX_BYTES


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    assert why(tmp_path / "no") == f"there is no file {tmp_path}/no: put the secret there, or mend the path"
    assert "cannot be read (Is a directory)" in why(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    assert "is not a regular file" in why(tmp_path / "fifo")
    assert "cannot be read (Not a directory)" in why(kept(tmp_path) / "below")
    assert "cannot be read (File name too long)" in why(tmp_path / ("x" * 300))


def test_where_a_text_came_from_is_told() -> None:
    with pytest.raises(LostError, match=r"^the printer is empty"):
        text_of(b"\n", "the printer")

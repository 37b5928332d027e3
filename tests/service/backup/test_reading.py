"""Nothing of an archive is believed: what is damaged, cut off, forged or made to do harm is refused by name."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.backup.worlds import World
from xopc.contracts.errors import XopcError
from xopc.service.backup import reading
from xopc.service.backup.manifest import MANIFEST
from xopc.service.backup.reading import unpack, verify


def rewritten(
    backup: io.BytesIO, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> io.BytesIO:
    """A backup whose members were changed."""
    out = io.BytesIO()
    backup.seek(0)
    with tarfile.open(fileobj=backup, mode="r:gz") as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            file = old.extractfile(member)
            for changed, data in change(member, file.read() if file else b""):
                changed.size = len(data) if changed.isreg() else 0
                new.addfile(changed, io.BytesIO(data))
    return out


def with_member(backup: io.BytesIO, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> io.BytesIO:
    """A backup with one more member, before its manifest."""

    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name != MANIFEST:
            return [(member, data)]
        extra = tarfile.TarInfo(name)
        extra.type, extra.linkname = kind, link
        return [(extra, b"evil"), (member, data)]

    return rewritten(backup, change)


def test_a_whole_one_is_unpacked_to_where_each_part_goes(there: World, tmp_path: Path) -> None:
    script = there.paths.workspace / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    roots = {"xopc.json": tmp_path / "x" / "c.json", "workspace": tmp_path / "y"}
    verified = unpack(there.backup(), "it", roots)
    assert verified.config == there.paths.config_path.read_bytes() == (tmp_path / "x" / "c.json").read_bytes()
    assert (tmp_path / "y" / "notes" / "today.md").read_text() == "a"
    assert (tmp_path / "y" / "run.sh").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "y" / "notes" / "today.md").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [".xopc", "scratch", "x", "y"]


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../evil", tarfile.REGTYPE, ""),
        ("workspace/../../evil", tarfile.REGTYPE, ""),
        ("/etc/evil", tarfile.REGTYPE, ""),
        ("workspace/link", tarfile.SYMTYPE, "/etc"),
        ("workspace/link", tarfile.LNKTYPE, "xopc.json"),
        ("workspace/device", tarfile.CHRTYPE, ""),
        ("workspace/pipe", tarfile.FIFOTYPE, ""),
        ("elsewhere/file", tarfile.REGTYPE, ""),
        ("workspace/more", tarfile.REGTYPE, ""),
        ("xopc.json", tarfile.REGTYPE, ""),
        ("workspace/notes", tarfile.REGTYPE, ""),
        ("models.json", tarfile.DIRTYPE, ""),
        ("models.json/file", tarfile.REGTYPE, ""),
    ],
)
def test_a_member_that_no_backup_has_is_refused_and_nothing_is_written_outside(
    there: World, tmp_path: Path, name: str, kind: bytes, link: str
) -> None:
    forged = with_member(there.backup(), name, kind, link)
    inside = tmp_path / "inside"
    for read in (lambda: verify(forged, "it"), lambda: unpack(forged, "it", {"workspace": inside / "workspace"})):
        with pytest.raises(XopcError, match=r"^it .*Nothing was restored"):
            read()
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        [".xopc", "inside", "scratch"],
        [".xopc", "scratch"],
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "0,zz"},
        {"GNU.sparse.size": str(2**40), "GNU.sparse.map": "0,4"},
        {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.realsize": "x",
            "GNU.sparse.name": "workspace/z",
        },
        {"comment": "x" * (reading.MAX_HEADER_BYTES + 1)},
    ],
)
def test_headers_that_take_more_than_the_archive_has_and_numbers_that_are_none_are_refused(
    there: World, headers: dict[str, str]
) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name == "workspace/notes/today.md":
            member.pax_headers = headers
        return [(member, data)]

    with pytest.raises(XopcError, match=r"^it .*Nothing was restored"):
        verify(rewritten(there.backup(), change), "it")


@pytest.mark.parametrize("date", [float("inf"), -1e30])
def test_a_date_that_no_file_can_have_is_left_out(there: World, tmp_path: Path, date: float) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name == "workspace/notes/today.md":
            member.mtime, member.pax_headers = 0, {"mtime": str(date)}
        return [(member, data)]

    unpack(rewritten(there.backup(), change), "it", {"workspace": tmp_path / "y"})
    assert (tmp_path / "y" / "notes" / "today.md").read_text() == "a"


def test_each_changed_byte_is_found(there: World) -> None:
    whole = there.backup().getvalue()
    plain = gzip.decompress(whole)
    tar = bytearray(plain)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        tar[archive.getmember("workspace/notes/today.md").offset_data] ^= 1
    with pytest.raises(XopcError, match=r"damaged: 'workspace/notes/today\.md' is not what"):
        verify(io.BytesIO(gzip.compress(bytes(tar))), "it")
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        broken = bytearray(whole)
        broken[at] ^= 0x55
        if at in (4, 5, 6, 7, 8, 9):  # the time and the system in gzip's head: no content
            continue
        try:
            verify(io.BytesIO(bytes(broken)), "it")
        except XopcError:
            continue
        assert gzip.decompress(bytes(broken)) == plain, "what is packed in another way is still the same"


def test_one_that_was_cut_off_anywhere_is_refused(there: World) -> None:
    whole = there.backup().getvalue()
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        with pytest.raises(XopcError, match="Nothing was restored"):
            verify(io.BytesIO(whole[:end]), "it")


def test_one_that_lacks_a_file_is_refused(there: World) -> None:
    without = rewritten(there.backup(), lambda member, data: [] if member.name == "models.json" else [(member, data)])
    with pytest.raises(XopcError, match=r"lacks 'models\.json'"):
        verify(without, "it")


def test_what_follows_the_manifest_is_refused(there: World) -> None:
    def behind(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return (
            [(member, data), (tarfile.TarInfo("workspace/late"), b"")] if member.name == MANIFEST else [(member, data)]
        )

    with pytest.raises(XopcError, match="goes on behind"):
        verify(rewritten(there.backup(), behind), "it")


@pytest.mark.parametrize("data", [b"", b"no archive", gzip.compress(b"no tar", mtime=0), gzip.compress(b"", mtime=0)])
def test_what_is_no_backup_is_told(data: bytes) -> None:
    with pytest.raises(XopcError, match="Nothing was restored"):
        verify(io.BytesIO(data), "it")


def test_very_many_members_are_refused(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_MEMBERS", 3)
    with pytest.raises(XopcError, match="more than 3 files"):
        verify(there.backup(), "it")

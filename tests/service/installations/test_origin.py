from __future__ import annotations

import json
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tests.fakes.environments import make_environment
from xopc.contracts.errors import XopcError
from xopc.service.installations.origin import find_origin, origin_of

BASE = Path("/usr")


def distributed(tmp_path: Path, **files: str) -> Distribution:
    """What an installer leaves of xopc 1.0."""
    folder = tmp_path / "xopc-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: xopc\nVersion: 1.0\n")
    for name, text in files.items():
        (folder / name.replace("_json", ".json")).write_text(text)
    return Distribution.at(folder)


def version_file(prefix: Path) -> Path:
    return prefix / "lib" / "python3" / "site-packages" / "xopc" / "__init__.py"


def test_sources_are_updated_by_whoever_edits_them(tmp_path: Path) -> None:
    with pytest.raises(XopcError, match="git pull"):
        find_origin()  # so these tests run
    edited = json.dumps({"url": "file:///home/robin/xopc", "dir_info": {"editable": True}})
    with pytest.raises(XopcError, match="sources in /home/robin/xopc"):
        origin_of(distributed(tmp_path, direct_url_json=edited), tmp_path, BASE, version_file(tmp_path))
    with pytest.raises(XopcError, match="sources in /srv/xopc"):
        origin_of(None, tmp_path, BASE, Path("/srv/xopc/xopc/__init__.py"))


@pytest.mark.parametrize(
    ("file", "installer"), [("pyvenv.cfg", "pip"), ("pipx_metadata.json", "pipx"), ("uv-receipt.toml", "uv")]
)
def test_an_environment_of_its_own_can_be_updated(tmp_path: Path, file: str, installer: str) -> None:
    (tmp_path / file).touch()
    origin = origin_of(distributed(tmp_path, direct_url_json="{}"), tmp_path, BASE, version_file(tmp_path))
    assert (origin.version, origin.installer, origin.is_kept) == ("1.0", installer, False)


def test_a_version_of_ours_is_known_as_such(tmp_path: Path) -> None:
    prefix = make_environment(tmp_path / "1.0", tmp_path, "1.0")
    origin = origin_of(distributed(tmp_path), prefix, BASE, version_file(prefix))
    assert (origin.installer, origin.is_kept) == ("xopc update", True)


def test_what_the_system_installed_is_left_to_the_system(tmp_path: Path) -> None:
    with pytest.raises(XopcError, match="installed by debian: update it as any other package"):
        origin_of(distributed(tmp_path, INSTALLER="debian\n"), BASE, BASE, version_file(BASE))


@pytest.mark.parametrize("place", [BASE, Path("/home/amy/.local")])
def test_the_python_of_the_system_is_no_place_for_versions(tmp_path: Path, place: Path) -> None:
    with pytest.raises(XopcError, match=r"pipx install \."):
        origin_of(distributed(tmp_path, INSTALLER="pip\n"), BASE, BASE, version_file(place))


def test_an_environment_that_belongs_to_somebody_else_is_left_to_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def may_not(*_: object) -> bool:
        return False

    monkeypatch.setattr("os.access", may_not)  # root may write everywhere
    with pytest.raises(XopcError, match="run the update as the user that it belongs to"):
        origin_of(distributed(tmp_path), tmp_path, BASE, version_file(tmp_path))

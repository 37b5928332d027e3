"""Wheels to install: of what is installed here, and of xopc in other versions, made without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from tests.checks.repository import ROOT

SHIPPED = ("xopc", "supervisor", "service-templates", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


def pack_dependencies(house: Path) -> None:
    """A wheel in `house` of each distribution that xopc needs, from its installed files."""
    for found in needed("xopc"):
        _pack(found, house)


def offline(house: Path) -> dict[str, str]:
    """What has pip take wheels from a house and from nowhere else. It does not compile them, which takes long."""
    pip = {"PIP_FIND_LINKS": str(house), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_COMPILE": "1"}
    return {**pip, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONSTRAINT": ""}


def install(wheel: Path, place: Path, house: Path) -> Path:
    """An environment as a person makes it, with a wheel in it; its console script."""
    subprocess.run([sys.executable, "-I", "-m", "venv", place], check=True, timeout=120)
    command = [place / "bin" / "python", "-I", "-m", "pip", "install", "--quiet", wheel]
    subprocess.run(command, env={**os.environ, **offline(house)}, check=True, timeout=240)
    return place / "bin" / "xopc"


def needed(name: str) -> list[Distribution]:
    """What a distribution needs in this environment, and what that needs."""
    found: dict[str, Distribution] = {}
    waiting = [name]
    while waiting:
        for requirement in _requirements(distribution(waiting.pop())):
            if requirement not in found:
                found[requirement] = distribution(requirement)
                waiting.append(requirement)
    return list(found.values())


def build_wheel(house: Path, version: str, edits: dict[str, str] | None = None) -> Path:
    """A wheel in `house` of the present sources as `version`; `edits` are texts put at the end of files, by path."""
    house.mkdir(exist_ok=True)
    tree = house.parent / f"{house.name}-sources-{version}"
    tree.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, tree / name)
    (tree / "xopc" / "__init__.py").write_text(f'"""xopc."""\n\n__version__ = "{version}"\n')
    for path, text in (edits or {}).items():
        with (tree / path).open("a") as file:
            file.write(text)
    command = [sys.executable, "-c", BUILD, str(house)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=120, check=True)
    shutil.rmtree(tree)
    return house / done.stdout.splitlines()[-1]


def _requirements(found: Distribution) -> Iterator[str]:
    from packaging.requirements import Requirement

    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _pack(found: Distribution, house: Path) -> None:
    house.mkdir(exist_ok=True)
    *_, tag = (line[5:] for line in (found.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    name = found.metadata["Name"].replace("-", "_")
    with zipfile.ZipFile(house / f"{name}-{found.version}-{tag}.whl", "w") as wheel:
        for file in found.files or ():
            is_made_here = file.parts[0] == ".." or "__pycache__" in file.parts or file.name == "INSTALLER"
            if not is_made_here:
                wheel.write(os.fspath(file.locate()), str(file))

from __future__ import annotations

import pytest

from xopc.contracts.timezones import find_timezone, is_timezone


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_zones_of_the_database_are_found(name: str) -> None:
    zone = find_timezone(name)
    assert zone is not None
    assert zone.key == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "Europe",  # a folder
        "zone.tab",
        "tzdata.zi",
        "../../../etc/passwd",
        "/etc/localtime",
        "Europe/Berlin\0",
        "Europe//Berlin",
        "A" * 65,
        "Ä",
    ],
)
def test_what_is_no_zone_is_not_found_and_no_file_is_read_for_it(name: str) -> None:
    assert not is_timezone(name)

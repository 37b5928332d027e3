from __future__ import annotations

import pytest

from xopc.service.managers.base import label_of


@pytest.mark.parametrize(
    ("marker", "profile", "label"),
    [
        ("systemd", "", "xopc-gateway"),
        ("systemd", "Default", "xopc-gateway"),
        ("systemd", "rescue", "xopc-gateway-rescue"),
        ("launchd", "default", "ai.xopc.gateway"),
        ("launchd", "rescue", "ai.xopc.gateway.rescue"),
        ("schtasks", "rescue", "xopc-gateway-rescue"),
    ],
)
def test_the_label_names_the_profile(marker: str, profile: str, label: str) -> None:
    assert label_of(marker, profile) == label

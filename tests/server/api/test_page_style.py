from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from xopc.server.api.page_style import DARK, LIGHT, STYLE


def luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_every_text_stands_out_from_every_ground(colours: Mapping[str, str]) -> None:
    for text, ground in product(("ink", "quiet", "accent"), ("paper", "shade")):
        lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


def test_both_looks_have_the_same_colours_and_use_no_other() -> None:
    assert LIGHT.keys() == DARK.keys()
    for name in LIGHT:
        assert STYLE.count(f"--{name}:") == 2
        assert f"var(--{name})" in STYLE

"""The page of what restarts do is what its figures are made into: no figure is typed, and none is out of date."""

from __future__ import annotations

import json

from tests.e2e.chaos.__main__ import FIGURES, PAGE
from tests.e2e.chaos.report import render


def test_the_page_of_restarts_is_made_of_its_figures() -> None:
    made = render(json.loads(FIGURES.read_text("utf-8")))
    assert PAGE.read_text("utf-8") == made, "write it anew: make chaos-docs"

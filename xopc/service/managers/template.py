"""The definitions that are shipped, with places in braces for what is a service's own."""

from __future__ import annotations

from pathlib import Path

_SHIPPED = Path(__file__).parents[1] / "templates"
_CHECKOUT = Path(__file__).parents[3] / "service-templates"


def read_template(name: str) -> str:
    """The text of a template, such as `xopc-gateway.service`.

    Raises:
        OSError: it was not installed.
    """
    folder = _SHIPPED if _SHIPPED.is_dir() else _CHECKOUT
    return (folder / name).read_text("utf-8")

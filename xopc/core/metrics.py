"""Counters and histograms, and their text for Prometheus. Pure, but for what is counted.

The format is the text format 0.0.4, see https://prometheus.io/docs/instrumenting/exposition_formats/. It is so little
that a library for it would be most of its cost: the usual one brings a web server, locks and collectors of its own.

Each metric is written to by one thread; reading it from another one gives a moment that is a few counts old.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeAlias

from attrs import field, frozen

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 1000
"""Of one metric: the rest counts together, so that no caller makes the text grow without an end."""
OTHER = "other"

Labels: TypeAlias = tuple[str, ...]
Sample: TypeAlias = tuple[str, Labels, float]
"""What follows the metric's name, the values of its labels, and its value."""


@frozen
class Family:
    """What a metric is: the declaration, without its values."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    help: str
    labels: tuple[str, ...] = ()


class Metric(Protocol):
    """Something that has a family and samples."""

    @property
    def family(self) -> Family: ...

    def samples(self) -> Iterable[Sample]:
        """Its values at this moment."""
        ...


@frozen(eq=False)
class Counter:
    """Counts, and never goes back."""

    family: Family
    _values: dict[Labels, float] = field(factory=dict[Labels, float], init=False)

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count one more, or so many."""
        key = _bounded(labels, self._values)
        self._values[key] = self._values.get(key, 0) + amount

    def samples(self) -> Iterable[Sample]:
        values = list(self._values.items())
        if not values and not self.family.labels:
            values = [((), 0.0)]
        return [("", labels, value) for labels, value in values]


@frozen(eq=False)
class Histogram:
    """Counts how often something was so large at most."""

    family: Family
    bounds: tuple[float, ...]
    """Upper ends of the buckets, ascending, without the infinite one."""
    _series: dict[Labels, list[float]] = field(factory=dict[Labels, list[float]], init=False)
    """For each bucket, how many are in it alone; then the sum of all values."""

    def observe(self, value: float, *labels: str) -> None:
        """One more, of this size."""
        key = _bounded(labels, self._series)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = [0.0] * (len(self.bounds) + 2)
        series[bisect_left(self.bounds, value)] += 1
        series[-1] += value

    def samples(self) -> Iterable[Sample]:
        series = [(labels, list(counts)) for labels, counts in list(self._series.items())]
        if not series and not self.family.labels:
            series = [((), [0.0] * (len(self.bounds) + 2))]
        for labels, counts in series:
            total = 0.0
            for bound, count in zip((*self.bounds, math.inf), counts, strict=False):
                total += count
                yield f"_bucket{{{_number(bound)}}}", labels, total
            yield "_sum", labels, counts[-1]
            yield "_count", labels, total


@frozen(eq=False)
class Gauge:
    """Values of this moment, by their labels."""

    family: Family
    values: Mapping[Labels, float]

    def samples(self) -> Iterable[Sample]:
        return [("", labels, value) for labels, value in self.values.items()]


def render(metrics: Iterable[Metric]) -> str:
    """The text of some metrics; one without any value is left out."""
    return "".join(line for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    family = metric.family
    for number, (suffix, labels, value) in enumerate(metric.samples()):
        if number == 0:
            yield f"# HELP {family.name} {_escaped(family.help)}\n# TYPE {family.name} {family.kind}\n"
        pairs = list(zip(family.labels, labels, strict=True))
        suffix, _, bound = suffix.partition("{")  # noqa: PLW2901  the bound of a bucket is its last label
        if bound:
            pairs.append(("le", bound.rstrip("}")))
        text = ",".join(f'{name}="{_quoted(told)}"' for name, told in pairs)
        yield f"{family.name}{suffix}{f'{{{text}}}' if text else ''} {_number(value)}\n"


def _bounded(labels: Labels, known: Mapping[Labels, object]) -> Labels:
    if labels in known or len(known) < MAX_SERIES:
        return labels
    return (OTHER,) * len(labels)


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')

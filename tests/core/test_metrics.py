"""The text is read by Prometheus's own parser, and what it reads is what was counted."""

from __future__ import annotations

import math

from hypothesis import given, strategies as st
from prometheus_client.parser import text_string_to_metric_families

from xopc.core import metrics
from xopc.core.metrics import OTHER, Counter, Family, Gauge, Histogram, Metric, render

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(*told: Metric) -> Values:
    """Each sample that the parser finds, by its name and its labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(render(told))
        for sample in family.samples
    }


def counter(*labels: str) -> Counter:
    return Counter(Family("a_total", "counter", "What it counts.", labels))


def test_a_counter_counts_by_its_labels() -> None:
    one = counter("kind")
    one.add("x")
    one.add("x", amount=2.5)
    one.add("y")
    assert parsed(one) == {("a_total", (("kind", "x"),)): 3.5, ("a_total", (("kind", "y"),)): 1}


def test_a_histogram_counts_what_is_at_most_so_large() -> None:
    one = Histogram(Family("d_seconds", "histogram", "How long."), (0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7):
        one.observe(value)
    found = parsed(one)
    assert [found["d_seconds_bucket", (("le", bound),)] for bound in ("0.1", "1", "+Inf")] == [2, 3, 4]
    assert (found["d_seconds_count", ()], found["d_seconds_sum", ()]) == (4, 7.65)


def test_what_was_never_counted_is_0_and_what_has_labels_is_not_there_yet() -> None:
    assert parsed(counter()) == {("a_total", ()): 0}
    assert render([counter("kind"), Gauge(Family("g", "gauge", "A gauge.", ("x",)), {})]) == ""
    assert parsed(Histogram(Family("d", "histogram", "How long."), (1.0,)))["d_count", ()] == 0


@given(st.text(), st.floats(allow_nan=False))
def test_any_text_and_any_number_is_read_as_it_was_meant(text: str, value: float) -> None:
    told = Gauge(Family("g", "gauge", "A gauge.", ("x",)), {(text,): value})
    assert parsed(told) == {("g", (("x", text),)): value}


def test_the_help_stands_once_before_the_values() -> None:
    gauge = Gauge(Family("g", "gauge", "Of\nlines \\.", ("x",)), {("a",): 1, ("b",): math.inf})
    assert render([gauge]) == '# HELP g Of\\nlines \\\\.\n# TYPE g gauge\ng{x="a"} 1\ng{x="b"} +Inf\n'


def test_nobody_makes_the_text_grow_without_an_end() -> None:
    one = counter("kind")
    for number in range(metrics.MAX_SERIES + 500):
        one.add(str(number))
    one.add("0")
    found = parsed(one)
    assert len(found) == metrics.MAX_SERIES + 1
    assert (found["a_total", (("kind", OTHER),)], found["a_total", (("kind", "0"),)]) == (500, 2)

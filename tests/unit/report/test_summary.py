"""The summary's words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skymill.metrics.record import MetricRecord
from skymill.report.inventory import Inventory
from skymill.report.scores import Scores
from skymill.report.summary import ANALYTIC, FEW_REAL, KNOTTED, NOTHING_TO_COMPARE, lead, limits

REFERENCES = ("source_extractor", "sep")


def scores(**values):
    """Flux errors by detector, with intervals of ± 1."""
    return Scores(
        MetricRecord(
            "flux_mape", "test_blends", name, "both_found", value, "percent", 100, value - 1, value + 1
        )
        for name, value in values.items()
    )


@pytest.mark.parametrize(
    ("network", "verdict"),
    [(7.0, "the network is better"), (24.5, "cannot tell"), (40.0, "source_extractor is better")],
)
def test_the_verdict_follows_the_intervals(network, verdict):
    text = lead(scores(unet=network, source_extractor=25.0), ["unet"], REFERENCES)

    assert verdict in text
    assert "100 galaxies" in text


def test_the_best_network_is_named():
    text = lead(scores(unet=9.0, cnn=8.0, sep=25.0), ["unet", "cnn"], REFERENCES)

    assert "of cnn are off by 8.0 % [7.0, 9.0]" in text
    assert "those of sep by 25.0 %" in text


@pytest.mark.parametrize("values", [{}, {"unet": 7.0}, {"sep": 20.0}])
def test_without_both_there_is_nothing_to_compare(values):
    assert lead(scores(**values), ["unet"], REFERENCES) == NOTHING_TO_COMPARE


def test_limits_concern_this_run(inventory, run):
    everything = limits(inventory, run.config)

    assert any("true centres" in line for line in everything)
    assert any("another detector has found (sep, setting plain)" in line for line in everything)
    assert any("analytic" in line for line in everything)
    assert len(limits(Inventory([]), {})) == 1


KNOTS = {"probability": 0.7}


@pytest.mark.parametrize(
    ("populations", "expected"),
    [
        ({"a": {"kind": "parametric"}}, [ANALYTIC]),
        ({"a": {"kind": "parametric", "knots": None}}, [ANALYTIC]),
        ({"a": {"kind": "parametric", "knots": {"probability": 0}}}, [ANALYTIC]),
        ({"a": {"kind": "parametric", "knots": KNOTS}}, [KNOTTED]),
        ({"a": {"kind": "parametric"}, "b": {"kind": "parametric", "knots": KNOTS}}, [KNOTTED]),
        ({"a": {"kind": "real"}}, []),
    ],
)
def test_the_galaxies_are_said_to_be_as_they_are(populations, expected):
    lines = limits(Inventory([]), {"populations": populations})

    assert [line for line in lines if line in (ANALYTIC, KNOTTED)] == expected


def test_the_few_real_galaxies_are_a_limit(inventory, run):
    real = replace(inventory.find("blend", "test"), name="real")
    with_real = limits(Inventory([*inventory.entries, real]), run.config)

    assert [line for line in with_real if line not in limits(inventory, run.config)] == [FEW_REAL]

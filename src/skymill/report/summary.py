"""Summary in words: the sentence above the headline table and the limits below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skymill.metrics.record import MetricRecord
from skymill.report.headline import BOTH, numbers
from skymill.report.inventory import Inventory
from skymill.report.scores import Scores

DATASET, METRIC = "test_blends", "flux_mape"
NOTHING_TO_COMPARE = (
    "This run holds no network and reference detector that measured the same test blends: there is nothing to compare "
    "in one sentence."
)
GIVEN_CENTRES = (
    "On test blends the networks are given the true centres; the other detectors must find them. Over all galaxies, "
    "each detector's figures are of the galaxies it found: compare where the reference detector found every galaxy."
)
CANDIDATES = (
    "On tiles the networks measure sources that another detector has found ({detector}): their completeness and "
    "purity there are that detector's."
)
WORSE = "every detector is worse on them, and networks that never saw such galaxies may be worse by more."
ANALYTIC = (
    "The simulated galaxies are analytic bulge + disc profiles. Real ones have arms, bars and clumps: "
    + WORSE
)
KNOTTED = (
    "The simulated galaxies are analytic bulge + disc profiles; the discs of some have knots and arms, which are drawn "
    "from broad ranges and fitted to no image. Real ones have bars, dust and other clumps: " + WORSE
)
FEW_REAL = (
    "The blends of real galaxies are made of few images, each used many times, turned and dimmed: their intervals are "
    "too narrow, and their magnitudes and sizes are not those of the simulated blends."
)
ONE_SURVEY = (
    "Networks were trained and tested on simulations of one survey; the test blends follow the training's "
    "distribution of magnitudes, sizes and separations."
)
STATISTICAL = (
    "Intervals are 95 % and statistical (bootstrap over blends; Wilson score for fractions). They know nothing of "
    "errors in the simulation, the PSF or the zero-point."
)
REFERENCE = (
    "A reference catalogue of a real tile is a measurement too: every difference holds its errors as well."
)


def lead(scores: Scores, networks: Sequence[str], reference_detectors: Sequence[str]) -> str:
    """Say how the best network compares with the reference detector where that one found every galaxy of a blend.

    Parameters
    ----------
    scores : Scores
        The run's figures.
    networks : sequence of str
        Detectors that are networks.
    reference_detectors : sequence of str
        The first of them that measured the blends is the reference detector.
    """
    of = {name: scores.get(METRIC, DATASET, name, BOTH) for name in scores.detectors(DATASET)}
    ours = [record for name, record in of.items() if name in networks and record]
    reference = next((record for name in reference_detectors if (record := of.get(name))), None)
    if not ours or reference is None:
        return NOTHING_TO_COMPARE
    best = min(ours, key=lambda record: record.value)
    return (
        f"On the {best.n:,} galaxies in test blends where {reference.detector} finds every galaxy, the fluxes of "
        f"{best.detector} are off by {_percent(best)} on average, those of {reference.detector} by "
        f"{_percent(reference)}. {_verdict(best, reference)}"
    )


def _percent(record: MetricRecord) -> str:
    value, low, high = numbers(record)
    return f"{value} % [{low}, {high}]"


def _verdict(best: MetricRecord, reference: MetricRecord) -> str:
    if best.high < reference.low:
        return "The intervals do not overlap: the network is better there."
    if reference.high < best.low:
        return f"The intervals do not overlap: {reference.detector} is better there."
    return "The intervals overlap: this run cannot tell which is better."


def limits(inventory: Inventory, config: Mapping[str, Any]) -> list[str]:
    """Return what the figures do not say, as far as it concerns this run."""
    populations = (config.get("populations") or {}).values()
    profiles = [population for population in populations if population.get("kind") == "parametric"]
    has_knots = any((population.get("knots") or {}).get("probability", 0) > 0 for population in profiles)
    lines = {
        GIVEN_CENTRES: bool(inventory.of_stage("evaluate")),
        CANDIDATES.format(detector=found_by(config)): bool(inventory.of_stage("infer")),
        KNOTTED if has_knots else ANALYTIC: bool(profiles),
        FEW_REAL: inventory.find("blend", "real") is not None,
        ONE_SURVEY: bool(inventory.of_stage("train")),
        STATISTICAL: True,
        REFERENCE: bool(inventory.of_stage("reference")),
    }
    return [line for line, concerns in lines.items() if concerns]


def found_by(config: Mapping[str, Any]) -> str:
    """Say which detector finds the candidates that networks measure on tiles."""
    detector = (config.get("candidates") or {}).get("detector") or {}
    if detector.get("kind") == "network":
        return f"network {detector.get('model')}"
    words = [str(detector[key]) for key in ("kind", "setting") if key in detector]
    return ", setting ".join(words) or "see the configuration"

"""What the page says of a set of blends."""

from __future__ import annotations

from skymill.plan.artifact import BLEND_DATASETS
from skymill.report.blend_sets import BLEND_SETS, REAL_BLENDS, TEST_BLENDS


def test_the_sets_are_those_that_are_planned():
    assert {name: blends.artifact for name, blends in BLEND_SETS.items()} == BLEND_DATASETS


def test_blends_are_described_from_the_configuration(run):
    words = TEST_BLENDS.setting(run.config)

    assert "240 blends" in words
    assert "0.1 of 1, 0.9 of 2" in words
    assert "gaussian noise" in words


def test_blends_of_real_galaxies_have_their_own_section_of_the_configuration(run):
    config = {**run.config, "real_blends": {"n": 1600, "group_sizes": {2: 1.0}, "delta_mag": [0.0, 1.5]}}

    assert REAL_BLENDS.setting(config) == (
        "1,600 blends; shares by number of galaxies: 1 of 2; companions 0 to 1.5 mag from the central galaxy; no noise."
    )
    assert (
        REAL_BLENDS.setting(run.config) == TEST_BLENDS.setting({"real_blends": config["real_blends"]}) == ""
    )

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from skymill.config.detect import (
    COLD,
    HOT,
    PLAIN,
    CandidateConfig,
    DetectorConfig,
    NetworkFinderConfig,
    PhotutilsConfig,
    SepConfig,
)
from skymill.errors import ConfigError

DETECTOR = TypeAdapter(DetectorConfig)


@pytest.mark.parametrize("kind", ["source_extractor", "sep", "photutils"])
def test_the_kind_picks_the_detector_and_plain_values_bring_it_back(kind):
    config = DETECTOR.validate_python({"kind": kind})

    assert config.kind == kind
    assert (config.plain, config.cold, config.hot) == (PLAIN, COLD, HOT)
    assert DETECTOR.validate_python(config.recipe_params()) == config


def test_the_passes_are_the_published_ones():
    # Boucaud et al. 2020, section 4.1: least area, threshold, contrast, levels.
    for one_pass, published in (
        (COLD, (10, 5.0, 0.01, 64)),
        (HOT, (6, 4.0, 1e-4, 64)),
        (PLAIN, (5, 1.5, 0.005, 32)),
    ):
        found = (
            one_pass.min_area_px,
            one_pass.threshold_rms,
            one_pass.deblend_contrast,
            one_pass.deblend_levels,
        )
        assert found == published


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "sextractor"},
        {"setting": "plain"},
        {"kind": "sep", "setting": "warm"},
        {"kind": "sep", "windows": 3},
        {"kind": "source_extractor", "window_px": 1024},
        {"kind": "sep", "plain": {"threshold_rms": 1.5}},
        {"kind": "sep", "window_px": 512, "margin_px": 256},
        {"kind": "network", "model": "finder"},
    ],
)
def test_wrong_detectors_are_refused(wrong):
    with pytest.raises(ValidationError):
        DETECTOR.validate_python(wrong)


@pytest.mark.parametrize("finders", [[], ["one", "two"]])
def test_candidates_come_from_sep_where_no_network_is_the_only_one(finders):
    assert CandidateConfig().settled(finders).detector == SepConfig(kind="sep", setting="plain")


def test_candidates_come_from_the_only_network_that_finds_sources():
    settled = CandidateConfig(psf_tolerance=0.2).settled(["finder"])
    assert settled.detector == NetworkFinderConfig(kind="network", model="finder")
    assert settled.psf_tolerance == 0.2
    assert settled.settled(["finder"]) == settled


def test_a_detector_that_is_named_stays():
    for detector in ({"kind": "sep", "setting": "cold_hot"}, {"kind": "network", "model": "two"}):
        config = CandidateConfig(detector=detector)
        assert config.settled(["one", "two"]) == config


def test_a_network_that_is_not_there_finds_nothing():
    config = CandidateConfig(detector={"kind": "network", "model": "finder"})
    with pytest.raises(ConfigError, match="skymill ship") as caught:
        config.settled(["other"])
    assert "other" in str(caught.value)


def test_plain_values_bring_candidates_back():
    other = CandidateConfig(detector={"kind": "photutils"})
    assert other.detector == PhotutilsConfig(kind="photutils")
    assert CandidateConfig.model_validate(other.recipe_params()) == other


def test_candidates_can_come_from_a_network():
    config = CandidateConfig(detector={"kind": "network", "model": "finder"})
    assert config.detector.least_probability is None
    assert CandidateConfig.model_validate(config.recipe_params()) == config

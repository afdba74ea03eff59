"""Configuration of injection, comparison and report: what is refused, and that every key is described."""

import pytest
from pydantic import ValidationError

from skymill.config.compare import CompareConfig, InjectConfig, ReportConfig

MODELS = (InjectConfig, CompareConfig, ReportConfig)


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (InjectConfig, {}, "either number or density_per_arcmin2"),
        (InjectConfig, {"number": 5, "density_per_arcmin2": 1.0}, "either number or density_per_arcmin2"),
        (InjectConfig, {"number": 0}, "greater than or equal to 1"),
        (InjectConfig, {"density_per_arcmin2": float("inf")}, "finite"),
        (InjectConfig, {"number": 5, "flux": "rescaled"}, "rescaled needs mag"),
        (InjectConfig, {"number": 5, "mag": [22, 20]}, "low <= high"),
        (InjectConfig, {"number": 5, "min_distance": 3}, "Extra inputs"),
        (InjectConfig, {"number": 5, "draws": 0}, "greater than or equal to 1"),
        (InjectConfig, {"number": 5, "crowded_separation_fwhm": [0, 2]}, "two positive numbers"),
        (CompareConfig, {"probabilities": [0.5, 0.2]}, "increasing numbers"),
        (CompareConfig, {"max_distance_px": 0}, "greater than 0"),
        (CompareConfig, {"bootstrap_resamples": 10}, "greater than or equal to 100"),
        (CompareConfig, {"mag_edges_mag": [20]}, "at least 2"),
        (CompareConfig, {"mag_edges_mag": [20, 20]}, "increasing numbers"),
        (CompareConfig, {"separation_edges_re": [0, float("nan")]}, "finite"),
        (CompareConfig, {"reference_detectors": []}, "at least 1"),
        (CompareConfig, {"reference_detectors": ["sep", "sep"]}, "each name once"),
        (ReportConfig, {"cutout_px": 2}, "greater than or equal to 8"),
        (ReportConfig, {"title": ""}, "at least 1 character"),
    ],
)
def test_impossible_values_are_refused(model, values, message):
    with pytest.raises(ValidationError, match=message):
        model(**values)


@pytest.mark.parametrize("model", MODELS)
def test_every_key_is_described(model):
    for name, field in model.model_fields.items():
        assert field.description, name
        assert len(field.description) > 10, name


@pytest.mark.parametrize("config", [InjectConfig(number=3), CompareConfig(), ReportConfig()])
def test_recipes_give_the_same_configuration_again(config):
    assert type(config).model_validate(config.recipe_params()) == config


def test_the_separation_bins_are_those_of_the_published_figures():
    assert CompareConfig().separation_edges_re == (0.0, 0.8, 1.2, 2.0, 3.0, 6.0)


def test_rescaling_to_one_magnitude_is_allowed():
    assert InjectConfig(number=1, flux="rescaled", mag=[22, 22]).mag == (22, 22)

"""What holds for every metric: it is enough to register one to have it tested."""

import inspect

import numpy as np
import pytest

from skymill.errors import ConfigError
from skymill.metrics.registry import METRICS, Metric

BOOLEANS = {need for name in METRICS.names() for need in METRICS[name].needs if need.startswith("is_")}

OF_IMAGES = [
    need for name in METRICS.names() for need in METRICS[name].needs if need[:6] in ("image_", "blend_")
]


def columns(n=40, seed=14):
    generator = np.random.default_rng(seed)
    flux_true = generator.uniform(1, 9, n)
    flux = flux_true * generator.normal(1, 0.1, n)
    return {
        "flux": flux,
        "flux_true": flux_true,
        "other_flux": flux_true * generator.normal(1, 0.3, n),
        "flux_bound": 0.05 * flux_true,
        "flux_q025": 0.8 * flux,
        "flux_q16": 0.9 * flux,
        "flux_q84": 1.1 * flux,
        "flux_q975": 1.2 * flux,
        "pit": generator.uniform(size=n),
        "delta_mag": -2.5 * np.log10(flux / flux_true),
        **{need: generator.normal(size=n) for need in OF_IMAGES},
        **{need: generator.random(n) < 0.8 for need in BOOLEANS},
    }


def test_there_are_metrics():
    assert len(METRICS.names()) >= 30


def test_needs_are_the_functions_arguments(subtests):
    for name in METRICS.names():
        with subtests.test(name):
            metric = METRICS[name]
            arguments = [argument.name for argument in inspect.signature(metric.function).parameters.values()]
            assert "weights" in arguments
            assert arguments.index("weights") == len(metric.needs)
            assert set(metric.needs) <= set(columns())


def test_values_are_finite_and_do_not_depend_on_the_order_of_rows(subtests):
    for name in METRICS.names():
        with subtests.test(name):
            metric, data = METRICS[name], columns()
            value = metric.function(*(data[column] for column in metric.needs))
            backwards = metric.function(*(data[column][::-1] for column in metric.needs))
            assert np.isfinite(value)
            assert value == pytest.approx(backwards)


def test_weights_are_repeats_of_rows(subtests):
    for name in METRICS.names():
        with subtests.test(name):
            metric, data = METRICS[name], columns()
            counts = np.random.default_rng(15).integers(0, 4, (3, 40))
            values = metric.function(*(data[column] for column in metric.needs), weights=counts.astype(float))
            for value, count in zip(values, counts, strict=True):
                repeated = metric.function(*(np.repeat(data[column], count) for column in metric.needs))
                assert value == pytest.approx(repeated)


def test_fractions_with_a_binomial_interval_have_one_boolean_column(subtests):
    for name in METRICS.names():
        with subtests.test(name):
            metric = METRICS[name]
            assert metric.over in ("measured", "shared") or (
                len(metric.needs) == 1 and set(metric.needs) <= BOOLEANS
            )


def test_units_are_those_of_the_report(subtests):
    for name in METRICS.names():
        with subtests.test(name):
            assert METRICS[name].unit in {"percent", "mag", "fraction", "ratio", "dB", "number"}


def test_names_are_unique_and_unknown_ones_list_the_known():
    with pytest.raises(ConfigError, match="registered already"):
        METRICS.register("flux_mape")(Metric(np.mean, "percent", ()))
    with pytest.raises(ConfigError, match=r"mag_sigma.*'flux_map'"):
        METRICS["flux_map"]


def test_an_image_and_its_yardstick_are_judged_alike():
    pairs = [(name, f"blend_{name[6:]}") for name in METRICS.names() if name.startswith("image_")]
    assert len(pairs) == 7
    for image, blend in pairs:
        assert METRICS[image].function is METRICS[blend].function
        assert [need[6:] for need in METRICS[image].needs] == [need[6:] for need in METRICS[blend].needs]

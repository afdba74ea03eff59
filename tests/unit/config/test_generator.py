import pytest
from pydantic import ValidationError

from skymill.config.generator import GeneratorConfig


def test_what_is_not_said_is_a_generator_s_own():
    training = GeneratorConfig(population="galaxies", training={"threads": 2}).training

    assert training.max_epochs == 36 and training.patience_epochs is None and training.learning_rate == 2e-3


def test_a_network_without_a_kind_is_a_variational_autoencoder():
    plain, named = (
        GeneratorConfig(population="galaxies", network=network)
        for network in ({"latent": 8}, {"kind": "vae", "latent": 8})
    )

    assert plain == named and plain.network.kind == "vae"
    assert GeneratorConfig(population="galaxies").network.kind == "vae"


def test_trainings_on_halves_change_no_recipe():
    plain, halved = (GeneratorConfig(population="galaxies", halves=each) for each in (False, True))

    assert plain.recipe_params() == halved.recipe_params()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_px": 48, "network": {"widths": [8, 8, 8, 8, 8]}}, "input_px: expected a multiple of 32"),
        (
            {"training": {"augment": {"zoom": [0.5, 2.0]}}},
            "quarter_turns and flip only for generators, found zoom",
        ),
        ({"training": {"augment": {"peak_reach_fwhm": 0.5}}}, "for generators, found peak_reach_fwhm"),
        ({"noise": {"depth": [0.0, 1.0]}}, "expected noise above 0"),
        ({"network": {"canvas_px": 20}}, "multiple of 8"),
        ({"network": {"kind": "wgan", "critic_depth": [0.0, 1.0]}}, "expected noise above 0"),
        ({"network": {"kind": "wgan", "critic_widths": [8, 8]}}, "at least 3 items"),
        ({"network": {"kind": "wgan", "components": 0}}, "greater than 0"),
        ({"network": {"kind": "gan"}}, "vae.*wgan"),
        ({"network": {"latent": 2}}, "greater than or equal to 3"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        GeneratorConfig(population="galaxies", **changes)

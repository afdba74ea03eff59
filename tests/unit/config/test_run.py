"""A wrong key stops the run at once and says what is known."""

from pathlib import Path

import pytest
import yaml

from skymill.config.base import ConfigModel
from skymill.config.run import RunConfig, load_config
from skymill.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "config").glob("*.yaml"))


@pytest.fixture
def values():
    """The default configuration, with no network that finds sources."""
    whole = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    return {name: value for name, value in whole.items() if name not in ("pretrained_finders", "candidates")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid(path):
    assert load_config(path).run


def change(values, key, value):
    *path, last = key.split(".")
    for part in path:
        values = values.setdefault(part, {})
    values[last] = value


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("sede", 1, ["sede: unknown key", "seed"]),
        ("blend.nois", {}, ["blend.nois: unknown key", "noise"]),
        ("models.cnn.network.depht", 2, ["models.cnn.network.cnn.depht: unknown key", "depth"]),
        ("models.cnn.training.learning_rat", 2, ["learning_rat: unknown key", "learning_rate"]),
        ("populations.galaxies.n_galaxies", "many", ["populations.galaxies", "n_galaxies", "'many'"]),
        ("populations.galaxies.mag", [23, 18], ["mag", "low <= high"]),
        ("populations.galaxies.stamp_px", 100, ["stamp_px: expected at least 160", "found 100"]),
        ("blend.population", "nobody", ["blend.population: expected one of galaxies, found 'nobody'"]),
        ("models.cnn.input_px", 96, ["models.cnn.input_px: expected at most 64", "found 96"]),
        ("scene", {"population": "nobody"}, ["scene.population: expected one of galaxies, found 'nobody'"]),
        (
            "finders.finder",
            {},
            ["scene: expected patches for finders.finder to train on"],
        ),
        (
            "candidates.detector",
            {"kind": "network", "model": "unet"},
            [
                "candidates.detector.model: expected one of finders and pretrained_finders (none), found 'unet'",
            ],
        ),
        ("detectors.cnn", {"kind": "sep"}, ["expected names that no model has, found cnn"]),
        (
            "generators.vae",
            {"population": "nobody"},
            ["generators.vae.population: expected one of galaxies, found 'nobody'"],
        ),
        (
            "generators.vae",
            {"population": "galaxies", "input_px": 160},
            ["generators.vae.input_px: expected less than the 160 px of populations.galaxies, found 160"],
        ),
        (
            "generators.vae",
            {"population": "galaxies", "noise": {"depth": [0.0, 1.0]}},
            ["generators.vae.noise.depth", "expected noise above 0, found 0"],
        ),
        (
            "anomaly",
            "vae",
            ["anomaly: expected one of generators and pretrained_generators (none), found 'vae'"],
        ),
        (
            "populations.drawn",
            {"kind": "generator", "model": "vae", "n_galaxies": 10},
            [
                "populations.drawn.model: expected one of generators and pretrained_generators (none), found 'vae'"
            ],
        ),
        ("detectors.new", {"kind": "eyeball"}, ["detectors.new", "eyeball"]),
        ("run", "../away", ["run: String should match pattern", "'../away'"]),
        ("seed", -1, ["seed: Input should be greater than or equal to 0, found -1"]),
        ("split", {"train": 0.9}, ["split", "expected 1, found 1.2"]),
    ],
)
def test_one_clear_line_for_a_wrong_key(values, key, value, words):
    change(values, key, value)
    with pytest.raises(ConfigError) as caught:
        load_config(values)
    for word in words:
        assert word in str(caught.value)


@pytest.fixture
def with_real(values):
    """The default run with a population of real galaxies to test on."""
    catalogue = {"kind": "real", "catalogue": "cosmos.fits", "n_galaxies": 30, "stamp_px": 160}
    values["populations"]["cosmos"] = catalogue
    values["real_blends"] = {"population": "cosmos"}
    return values


def test_real_blends_follow_the_other_blends(with_real):
    with_real["blend"] |= {"delta_mag": [0, 1.5], "shard_size": 11}
    config = load_config(with_real)

    assert config.real_blends.composition() == {**config.blend.composition(), "population": "cosmos"}
    assert (config.real_blends.n, config.real_blends.shard_size) == (600, 11)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("real_blends.population", "galaxies", ["real_blends.population", "trained on", "found 'galaxies'"]),
        ("real_blends.population", "nobody", ["real_blends.population: expected one of galaxies, cosmos"]),
        ("real_blends.n_test", 5, ["real_blends.n_test: unknown key; known here: canvas_px", " n,"]),
        ("real_blends.preset", "boucaud20", ["populations.cosmos.stamp_px", "real_blends.canvas_px"]),
        ("populations.cosmos.stamp_px", 100, ["populations.cosmos.stamp_px: expected at least 160"]),
        ("real_blends.canvas_px", 96, ["models.cnn.input_px: expected at most 48", "real_blends.canvas_px"]),
        ("real_blends.n", 0, ["real_blends.n: Input should be greater than 0"]),
    ],
)
def test_wrong_real_blends_are_refused(with_real, key, value, words):
    change(with_real, key, value)
    with pytest.raises(ConfigError) as caught:
        load_config(with_real)
    for word in words:
        assert word in str(caught.value)


def test_one_catalogue_under_two_names_is_not_unseen(with_real):
    with_real["populations"]["galaxies"] = {**with_real["populations"]["cosmos"], "n_galaxies": 900}
    with pytest.raises(
        ConfigError, match=r"real_blends\.population: .* are not those of 'galaxies'.* found 'cosmos'"
    ):
        load_config(with_real)


def test_all_wrong_keys_are_told_at_once(values):
    values |= {"sede": 1, "sed": 2}
    with pytest.raises(ConfigError, match=r"(?s)sede: unknown.*sed: unknown"):
        load_config(values)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "run: [\n"], ids=["empty", "a list", "not YAML"])
def test_a_file_that_is_no_configuration(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"odd\.yaml"):
        load_config(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: expected a YAML file"):
        load_config(tmp_path / "nowhere.yaml")


def models(model=RunConfig, seen=None):
    """Every piece of configuration that a run can hold."""
    seen = set() if seen is None else seen
    if model not in seen:
        seen.add(model)
        for child in ConfigModel.__subclasses__():
            models(child, seen)
            for grandchild in child.__subclasses__():
                models(grandchild, seen)
    return seen


def test_every_key_is_described_and_unknown_keys_are_refused(subtests):
    assert len(models()) > 50
    for model in sorted(models(), key=lambda model: model.__name__):
        with subtests.test(model.__name__):
            assert model.model_config["extra"] == "forbid"
            for name, field in model.model_fields.items():
                assert field.description, f"{model.__name__}.{name} has no description"
            assert model.execution_keys <= set(model.model_fields)


def test_execution_keys_stay_out_of_recipes_at_every_depth(values):
    params = load_config(values).recipe_params()
    assert "shard_size" not in params["blend"]
    assert "shard_size" not in params["populations"]["galaxies"]
    assert not {"device", "threads"} & set(params["models"]["cnn"]["training"])
    assert params["models"]["cnn"]["training"]["learning_rate"] > 0


def test_windows_of_a_finder_fit_the_patches(values):
    values["finders"] = {"finder": {"input_px": 128}}
    values["scene"] = {"population": "galaxies", "side_px": 128}
    values["candidates"] = {"detector": {"kind": "network", "model": "finder"}}
    assert load_config(values).finders["finder"].input_px == 128

    values["scene"]["side_px"] = 64
    with pytest.raises(ConfigError, match=r"at most scene\.side_px = 64, found 128"):
        load_config(values)


def test_shipped_finders_may_be_named_and_need_no_patches(values):
    values["pretrained_finders"] = {"mine": "finder"}
    values["candidates"] = {"detector": {"kind": "network", "model": "mine"}}
    config = load_config(values)
    assert config.shipped_finders() == {"mine": "finder"} and config.trained_finders() == {}


def test_finders_are_trained_or_taken(values):
    values["scene"], values["finders"] = {"population": "galaxies", "side_px": 128}, {"one": {}}
    values["pretrained_finders"] = {"two": "finder"}
    assert list(load_config(values).trained_finders()) == ["one"]
    assert load_config(values).shipped_finders() == {"two": "finder"}
    values["train"] = "pretrained"
    values["ensembles"] = {}
    assert load_config(values).trained_finders() == {}
    assert load_config(values).shipped_finders() == {"one": "one", "two": "finder"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("one", "expected each name once, found one twice"), ("unet", "expected names that no model has")],
)
def test_a_shipped_finder_has_a_name_of_its_own(values, name, message):
    values["scene"], values["finders"] = {"population": "galaxies", "side_px": 128}, {"one": {}}
    values["pretrained_finders"] = {name: "finder"}
    with pytest.raises(ConfigError, match=message):
        load_config(values)


def test_a_finder_must_not_be_called_like_a_model(values):
    values["scene"], values["finders"] = {"population": "galaxies"}, {"unet": {}}
    with pytest.raises(ConfigError, match="finders: expected names that no model has, found unet"):
        load_config(values)


def test_an_ensemble_is_of_seeds_or_of_networks(values):
    network = {"network": {"kind": "cnn"}, "task": {"kind": "flux"}}
    values["models"] |= {"one": network, "two": network}
    values["ensembles"] = {"seeds": {"model": "one", "size": 2}, "both": {"models": ["one", "two"]}}
    config = load_config(values)

    assert config.ensembles["seeds"].names() == ["one", "one.1"]
    assert config.ensembles["both"].names() == ["one", "two"]
    assert list(config.members()) == ["one.1"]


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        ({}, "expected either `model` or two or more `models`"),
        ({"models": ["cnn_"]}, "expected either `model` or two or more `models`"),
        ({"model": "cnn_", "models": ["cnn_", "unet_"]}, "expected either `model` or two or more `models`"),
        ({"models": ["cnn_", "cnn_"]}, "expected each name once"),
        ({"models": ["cnn_", "other"]}, "expected networks that are trained .*, found 'other'"),
        ({"models": ["cnn_", "unet_"]}, "expected a network with masks first, found cnn_"),
    ],
)
def test_ensembles_of_what_does_not_go_together_are_refused(values, ensemble, message):
    values["models"] |= {
        "cnn_": {"network": {"kind": "cnn"}, "task": {"kind": "flux"}},
        "unet_": {"network": {"kind": "unet"}, "task": {"kind": "mask_flux"}},
    }
    values["ensembles"] = {"both": ensemble}
    with pytest.raises(ConfigError, match=message):
        load_config(values)


def test_a_generator_does_not_learn_from_what_one_has_drawn(values):
    values["generators"] = {"vae": {"population": "galaxies"}}
    values["populations"]["drawn"] = {"kind": "generator", "model": "vae", "n_galaxies": 10}
    config = load_config(values)
    assert list(config.generated()) == ["drawn"] and config.generated()["drawn"].sizes.median_re_arcsec == 0.4

    values["generators"]["other"] = {"population": "drawn"}
    with pytest.raises(
        ConfigError, match=r"generators\.other\.population: expected one of galaxies, found 'drawn'"
    ):
        load_config(values)


def test_a_generated_population_has_the_preset_s_magnitudes_and_sizes(values):
    values["generators"] = {"vae": {"population": "galaxies"}}
    drawn = {"kind": "generator", "model": "vae", "n_galaxies": 10, "preset": "sdss", "mag": [18, 20]}
    values["populations"]["drawn"] = drawn
    found = load_config(values).populations["drawn"]

    assert found.mag == (18, 20) and found.mag_slope == 0.15
    assert found.sizes.median_re_arcsec == 1.0


def test_a_generator_has_a_name_of_its_own(values):
    values["generators"], values["pretrained_generators"] = (
        {"vae": {"population": "galaxies"}},
        {"vae": "vae"},
    )
    with pytest.raises(
        ConfigError, match="generators, pretrained_generators: expected each name once, found vae"
    ):
        load_config(values)
    del values["generators"]
    values["anomaly"] = "vae"
    assert load_config(values).shipped_generators() == {"vae": "vae"}


def test_halves_are_of_galaxies_that_are_each_drawn_once(values):
    values["generators"] = {"vae": {"population": "galaxies", "halves": True}}
    config = load_config(values)

    assert list(config.half_generators()) == ["vae.half1", "vae.half2"]
    values["populations"]["galaxies"] = {
        "kind": "real",
        "catalogue": "cosmos.fits",
        "n_galaxies": 30,
        "stamp_px": 160,
    }
    with pytest.raises(ConfigError, match=r"generators\.vae\.halves: expected .* \(parametric\), found real"):
        load_config(values)

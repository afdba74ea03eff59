"""Networks that are trained already: shipping them, and taking them into a run."""

import copy
import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from skymill.cli import main
from skymill.config.train import ModelConfig
from skymill.errors import ConfigError, DataError, VersionError
from skymill.provenance.recipe import Recipe
from skymill.training.card import load_model, read_card
from skymill.training.ensemble import join_models
from skymill.training.finder_card import FinderCard, load_finder
from skymill.training.generator_card import load_generator
from skymill.training.shipped import ship_model, take_finder, take_generator, take_model
from skymill.training.start import start_from
from skymill.training.train import member_seed, train_model

CPU = {"device": "cpu", "threads": 1, "progress": "off"}


@pytest.fixture(scope="module")
def trained(make_recipe, files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train_model(make_recipe("unet", "mask_flux", max_epochs=1), **files, folder=folder, execution=CPU)
    return folder


@pytest.fixture
def metrics(tmp_path, trained) -> Path:
    name = read_card(trained / "model.yaml").name
    record = {
        "metric": "flux_mape", "dataset": "test_blends", "detector": name, "subset": "both_found", "value": 3.21,
        "unit": "percent", "n": 100, "low": 3.0, "high": 3.5,
    }  # fmt: skip
    others = [
        {**record, "metric": "mag_nmad"},
        {**record, "dataset": "injected:t"},
        {**record, "detector": "sep"},
    ]
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps([record, *others]))
    return path


def recipe_of(survey) -> dict:
    params = {"seed": 1, "survey": survey.physics(), "shipped": "net"}
    return Recipe("train", "net", params, {"card": "a", "weights": "b"}).to_dict()


def parts(folder: Path) -> dict[str, Path]:
    return {
        "weights": folder / "weights.safetensors",
        "card": folder / "model.yaml",
        "history": folder / "history.csv",
    }


def test_shipping_halves_the_weights_and_keeps_what_they_give(trained, metrics, survey, tmp_path, capsys):
    assert (
        main(["ship", str(trained), "net", "--to", str(tmp_path / "models"), "--metrics", str(metrics)]) == 0
    )
    folder = tmp_path / "models" / survey.name / "net"
    assert capsys.readouterr().out.strip() == str(folder)
    assert all(value.dtype == torch.float16 for value in load_file(folder / "weights.safetensors").values())
    shipped, before = load_model(folder).card, read_card(trained / "model.yaml")
    assert shipped.probe == pytest.approx(before.probe, rel=5e-3)
    assert shipped.test == {"test_blends, both_found: flux_mape": "3.21 [3, 3.5] percent, n = 100"}
    assert shipped.version == before.version and shipped.hours == before.hours


def test_a_shipped_model_is_taken_with_its_curves(trained, survey, tmp_path):
    folder = ship_model(trained, "net", tmp_path / "models")
    taken = tmp_path / "taken"
    take_model(recipe_of(survey), **parts(folder), folder=taken)
    assert {path.name for path in taken.iterdir()} == {
        "weights.safetensors", "model.yaml", "history.csv", "curves.png", "provenance.json",
    }  # fmt: skip
    assert read_card(taken / "model.yaml") == read_card(folder / "model.yaml")
    load_model(taken)


def test_a_model_of_another_survey_is_refused(trained, survey, tmp_path):
    folder = ship_model(trained, "net", tmp_path / "models")
    other = survey.model_copy(update={"pixel_scale_arcsec": 0.2})
    with pytest.raises(VersionError, match=r"pixel_scale_arcsec: 0\.2") as caught:
        take_model(recipe_of(other), **parts(folder), folder=tmp_path / "taken")
    assert "0.4" in str(caught.value)


def test_weights_that_this_code_reads_otherwise_are_refused(trained, tmp_path):
    folder = ship_model(trained, "net", tmp_path / "models")
    card = folder / "model.yaml"
    values = yaml.safe_load(card.read_text())
    values["probe"][0] *= 1.05
    card.write_text(yaml.safe_dump(values))
    with pytest.raises(VersionError, match="probe"):
        load_model(folder)


def write_test_figures(path: Path, detector: str) -> Path:
    record = {
        "metric": "purity", "dataset": "test_scenes", "detector": detector, "subset": "all", "value": 0.91,
        "unit": "fraction", "n": 50, "low": 0.8, "high": 0.97,
    }  # fmt: skip
    path.write_text(json.dumps([record, {**record, "dataset": "injected:t"}, {**record, "detector": "sep"}]))
    return path


def test_a_finder_is_shipped_and_taken_as_a_model_is(finder, survey, tmp_path):
    figures = write_test_figures(tmp_path / "figures.json", "finder")
    folder = ship_model(finder, "found", tmp_path / "models", figures)
    assert folder == tmp_path / "models" / survey.name / "found"
    assert all(value.dtype == torch.float16 for value in load_file(folder / "weights.safetensors").values())
    shipped, before = load_finder(folder).card, load_finder(finder).card
    assert shipped.probe == pytest.approx(before.probe, rel=2e-2)
    assert shipped.test == {"test_scenes, all: purity": "0.91 [0.8, 0.97] fraction, n = 50"}
    assert shipped.detection == before.detection

    taken = tmp_path / "taken"
    recipe = Recipe("finder", "found", recipe_of(survey)["params"], {"card": "a", "weights": "b"}).to_dict()
    take_finder(recipe, **parts(folder), folder=taken)
    assert read_card(taken / "model.yaml", FinderCard) == shipped
    record = json.loads((taken / "provenance.json").read_text())
    assert record["rows"] == shipped.train_patches and record["extra"]["trained_as"].startswith("finder ")
    assert (taken / "curves.png").is_file()


def test_a_finder_of_another_survey_is_refused(finder, survey, tmp_path):
    folder = ship_model(finder, "found", tmp_path / "models")
    other = survey.model_copy(update={"zero_point_mag": 24.0})
    with pytest.raises(VersionError, match=r"zero_point_mag: 24\.0"):
        take_finder(recipe_of(other), **parts(folder), folder=tmp_path / "taken")
    assert not (tmp_path / "taken" / "model.yaml").exists()


def test_a_finder_of_which_this_code_makes_something_else_is_refused(finder, survey, tmp_path):
    folder = ship_model(finder, "found", tmp_path / "models")
    values = yaml.safe_load((folder / "model.yaml").read_text())
    values["probe"][-1] *= 1.05
    (folder / "model.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(VersionError, match="probe"):
        take_finder(recipe_of(survey), **parts(folder), folder=tmp_path / "taken")


def test_a_finder_with_other_weights_than_its_cards_is_refused(finder, survey, tmp_path):
    folder = ship_model(finder, "found", tmp_path / "models")
    (folder / "weights.safetensors").write_bytes((finder / "weights.safetensors").read_bytes())
    with pytest.raises(VersionError, match="sha256"):
        take_finder(recipe_of(survey), **parts(folder), folder=tmp_path / "taken")


def test_models_and_finders_are_not_taken_for_each_other(finder, trained, survey, tmp_path):
    for take, source in ((take_finder, trained), (take_model, finder)):
        folder = ship_model(source, "net", tmp_path / "models")
        with pytest.raises(VersionError, match="model card of format"):
            take(recipe_of(survey), **parts(folder), folder=tmp_path / "taken")


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/b", "..", ".hidden", "", "a b", "a\0b", "x" * 65])
def test_only_a_plain_name_is_shipped(trained, tmp_path, name, capsys):
    status = main(["ship", str(trained), name, "--to", str(tmp_path / "models")])
    assert status == 1
    assert "NAME: expected letters, digits" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_no_card_is_not_shipped(tmp_path):
    (tmp_path / "model.yaml").write_text("name: x")
    with pytest.raises(DataError, match="a model card"):
        ship_model(tmp_path, "net", tmp_path / "models")


def test_metrics_without_the_model_are_refused(trained, metrics, tmp_path):
    metrics.write_text(
        json.dumps([{**record, "detector": "sep"} for record in json.loads(metrics.read_text())])
    )
    with pytest.raises(DataError, match="sep"):
        ship_model(trained, "net", tmp_path / "models", metrics)


@pytest.fixture
def started(make_recipe, files, trained, tmp_path):
    """Train one epoch from the shipped network with some stages frozen; gives the weights before and after."""

    def start(frozen: int) -> tuple[dict, dict, Path]:
        folder = ship_model(trained, "net", tmp_path / "models")
        recipe = copy.deepcopy(make_recipe("unet", "mask_flux", max_epochs=1))
        recipe["params"]["model"]["start"] = {"model": "test_r/net", "frozen_stages": frozen}
        made = tmp_path / f"from{frozen}"
        train_model(recipe, **files, folder=made, start=folder / "model.yaml", execution=CPU)
        return load_file(folder / "weights.safetensors"), load_file(made / "weights.safetensors"), made

    return start


def test_frozen_stages_keep_their_weights_and_the_others_learn(started):
    before, after, folder = started(2)
    kept = {name for name in before if torch.equal(before[name].float(), after[name])}
    network = load_model(folder).network
    frozen = {
        name for name, value in network.named_parameters()
        if any(value is one for stage in network.stages[:2] for one in stage.parameters())
    }  # fmt: skip
    assert frozen and frozen <= kept
    assert not any(name.startswith("polar.head") for name in kept)


def test_a_transfer_starts_from_the_weights(started, make_recipe, trained, tmp_path):
    folder = ship_model(trained, "net", tmp_path / "other")
    model = make_recipe("unet", "mask_flux", max_epochs=1)["params"]["model"]
    config = ModelConfig.model_validate({**model, "start": {"model": "test_r/net"}})
    network = copy.deepcopy(load_model(folder).network)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    start_from(network, config, folder)
    expected = load_file(folder / "weights.safetensors")
    assert all(torch.equal(value, expected[name].float()) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"kind": "unet", "unet_widths": [4, 8], "dense": 16}}, "options"),
        ({"start": {"model": "test_r/net", "frozen_stages": 99}}, "less than"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(trained, make_recipe, tmp_path, changes, words):
    folder = ship_model(trained, "net", tmp_path / "models")
    model = make_recipe("unet", "mask_flux", max_epochs=1)["params"]["model"]
    config = ModelConfig.model_validate({**model, "start": {"model": "test_r/net"}, **changes})
    with pytest.raises(ConfigError, match=words):
        start_from(load_model(folder).network, config, folder)


def test_members_have_seeds_of_their_own():
    assert member_seed(7, 0) == 7
    assert len({member_seed(7, member) for member in range(5)}) == 5


@pytest.fixture(scope="module")
def members(make_recipe, files, tmp_path_factory) -> list[Path]:
    folders = []
    for member in range(2):
        recipe = copy.deepcopy(make_recipe("unet", "mask_flux", max_epochs=1))
        recipe["params"]["model"]["member"] = member
        folders.append(tmp_path_factory.mktemp(f"member{member}"))
        train_model(recipe, **files, folder=folders[-1], execution=CPU)
    return folders


def test_an_ensemble_gives_the_mean_of_its_members(members, make_recipe, files, tmp_path):
    recipe = make_recipe("unet", "mask_flux", max_epochs=1)
    join_models(recipe, [folder / "model.yaml" for folder in members], **files, folder=tmp_path)
    joined, *single = (load_model(folder) for folder in (tmp_path, *members))
    assert len(joined.card.network.members) == 2
    assert joined.card.parameters == sum(model.card.parameters for model in single)
    assert joined.card.calibration.galaxies == single[0].card.calibration.galaxies
    size = joined.card.input_px
    image = 5 * torch.randn(3, 1, size, size, generator=torch.Generator().manual_seed(1)).abs()
    inputs = joined.task.inputs(image, torch.zeros(3, 2))
    with torch.inference_mode():
        mean, first, second = (model.network(inputs) for model in (joined, *single))
    assert not torch.equal(first.values, second.values)
    for given, one, other in zip(mean, first, second, strict=True):
        torch.testing.assert_close(given, (one + other) / 2)


def test_members_that_started_from_a_network_are_joined(members, make_recipe, files, tmp_path):
    recipe = make_recipe("unet", "mask_flux", max_epochs=1)
    recipe["params"]["model"]["start"] = {"model": "test_r/net"}
    join_models(recipe, [folder / "model.yaml" for folder in members], **files, folder=tmp_path)

    assert len(load_model(tmp_path).card.network.members) == 2


def test_networks_of_two_forms_are_joined(members, make_recipe, files, tmp_path):
    """The mean of the numbers is of both; masks and share are those of the only member that gives them."""
    cnn, both = tmp_path / "cnn", tmp_path / "both"
    train_model(make_recipe("cnn", "flux", max_epochs=1), **files, folder=cnn, execution=CPU)
    join_models(
        make_recipe("unet", "mask_flux", max_epochs=1),
        [folder / "model.yaml" for folder in (members[0], cnn)],
        **files,
        folder=both,
    )
    joined, unet, other = (load_model(folder) for folder in (both, members[0], cnn))
    assert [member.kind for member in joined.card.network.members] == ["unet", "cnn"]
    assert joined.card.network.gives_masks and joined.card.task.kind == "mask_flux"
    size = joined.card.input_px
    image = 5 * torch.randn(3, 1, size, size, generator=torch.Generator().manual_seed(1)).abs()
    inputs = joined.task.inputs(image, torch.zeros(3, 2))
    with torch.inference_mode():
        mean, first, second = (model.network(inputs) for model in (joined, unet, other))
    torch.testing.assert_close(mean.values, (first.values + second.values) / 2)
    torch.testing.assert_close(mean.share, first.share)
    torch.testing.assert_close(mean.masks, first.masks)


def test_members_that_express_fluxes_otherwise_are_refused(members, make_recipe, files, tmp_path):
    other, recipe = tmp_path / "cnn", make_recipe("cnn", "flux", max_epochs=1)
    recipe["params"]["model"]["task"]["anchor_radius_fwhm"] = 2.5
    train_model(recipe, **files, folder=other, execution=CPU)
    with pytest.raises(DataError, match="anchor_radius_fwhm"):
        join_models(
            make_recipe("unet", "mask_flux", max_epochs=1),
            [members[0] / "model.yaml", other / "model.yaml"],
            **files,
            folder=tmp_path / "e",
        )


def test_a_network_that_draws_galaxies_is_shipped_and_taken(generator, survey, tmp_path):
    records = [
        {
            **{
                "metric": metric,
                "dataset": f"{kind}:vae",
                "detector": "vae",
                "subset": "blends",
                "value": 0.9,
            },
            **{"unit": "fraction", "n": 10, "low": 0.8, "high": 1.0},
        }
        for metric, kind in (
            ("anomaly_auroc", "anomaly"),
            ("distance_mean", "generated"),
            ("asymmetry_median", "generated"),
        )
    ]
    (tmp_path / "metrics.json").write_text(json.dumps(records))
    folder = ship_model(generator, "mine", tmp_path / "models", tmp_path / "metrics.json")
    take_generator(recipe_of(survey), **parts(folder), folder=tmp_path / "taken")
    shipped, trained = load_generator(tmp_path / "taken"), load_generator(generator)

    assert folder == tmp_path / "models" / survey.name / "mine"
    assert list(shipped.card.test) == [
        "anomaly:vae, blends: anomaly_auroc",
        "generated:vae, blends: distance_mean",
    ]
    weights = load_file(folder / "weights.safetensors")
    assert weights["encoder.head.weight"].dtype == torch.float16
    assert weights["mixture.covariances"].dtype == torch.float32
    assert shipped.probe() == pytest.approx(trained.probe(), rel=0.02)
    assert (tmp_path / "taken" / "curves.png").is_file()

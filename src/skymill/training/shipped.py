"""Shipped networks: those that are trained already, in ``<models_dir>/<survey>/<name>/``.

Networks that measure (models), that find sources (finders), that draw galaxies (generators) and that restore images
(restorers) are shipped and taken in the same way. They are part of the project, not of a run: weights at half
precision, the card, and the history of the training.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skymill.config.base import NAME_PATTERN
from skymill.data.survey import Survey
from skymill.errors import ConfigError, DataError, VersionError
from skymill.metrics.record import read_records
from skymill.provenance.atomic import atomic_path
from skymill.provenance.record import recording
from skymill.training.card import CARD, WEIGHTS, Model, load_model, plain_weights, save_weights, write_card
from skymill.training.finder_card import FinderModel, is_finder, load_finder
from skymill.training.generator_card import GeneratorModel, is_generator, load_generator
from skymill.training.history import CURVES, HISTORY, draw_curves, read_history, write_history
from skymill.training.restorer_card import RestorerModel, is_restorer, load_restorer

log = logging.getLogger(__name__)

AnyNetwork = Model | FinderModel | GeneratorModel | RestorerModel

MODEL_TESTS = {
    "dataset": ("test_blends", "real_blends"),
    "metric": (
        *("flux_mape", "mag_sigma", "outlier_fraction", "coverage_68", "coverage_95"),
        *("image_psnr", "image_ssim", "image_flux_mape", "image_conservation"),
    ),
    "subset": ("all", "both_found"),
}
"""Which figures of a run go onto a model's card."""
MIXTURE = "mixture."
"""Begins the names of tensors that keep their precision: covariances at half of it would not be positive any more."""
GENERATOR_TESTS = {
    "metric": (
        *("distance_mean", "distance_by_chance", "requested_mag_error", "requested_size_error"),
        *("memorisation_ratio", "anomaly_auroc", "anomaly_false_alarms"),
    )
}
"""Which figures go onto the card of a network that draws galaxies, of the datasets that bear its name."""
RESTORER_TESTS = {
    "metric": (
        "image_psnr",
        "image_psnr_asinh",
        "image_ssim",
        "image_aperture_mape",
        "image_size_error",
        "psnr_gain",
    )
}
"""Which figures go onto the card of a network that restores images, of the dataset that bears its name."""
FINDER_TESTS = {"dataset": ("test_scenes",)}
"""Which figures go onto the card of a network that finds sources; ``benchmarks/finder.py`` writes them."""


def take_model(
    recipe: Mapping[str, Any], weights: str | Path, card: str | Path, history: str | Path, folder: str | Path
) -> None:
    """Check that a shipped network that measures fits this run and this code, and take it among the run's artifacts.

    Parameters
    ----------
    recipe : mapping
        Recipe of the artifact; ``params`` holds ``survey``.
    weights, card, history : str or Path
        The shipped files, in one folder.
    folder : str or Path
        The model's folder: gets the same files and ``curves.png``.

    Raises
    ------
    DataError
        If a file is missing or cannot be read.
    VersionError
        If the model was trained for another survey, or what this code makes of its weights is not what they gave when
        it was shipped.
    """
    _take(load_model, recipe, weights, card, history, folder)


def take_finder(
    recipe: Mapping[str, Any], weights: str | Path, card: str | Path, history: str | Path, folder: str | Path
) -> None:
    """Do for a network that finds sources what :func:`take_model` does for one that measures."""
    _take(load_finder, recipe, weights, card, history, folder)


def take_generator(
    recipe: Mapping[str, Any], weights: str | Path, card: str | Path, history: str | Path, folder: str | Path
) -> None:
    """Do for a network that draws galaxies what :func:`take_model` does for one that measures."""
    _take(load_generator, recipe, weights, card, history, folder)


def take_restorer(
    recipe: Mapping[str, Any], weights: str | Path, card: str | Path, history: str | Path, folder: str | Path
) -> None:
    """Do for a network that restores images what :func:`take_model` does for one that measures."""
    _take(load_restorer, recipe, weights, card, history, folder)


def _take(
    load: Callable[[str | Path], AnyNetwork],
    recipe: Mapping[str, Any],
    weights: str | Path,
    card: str | Path,
    history: str | Path,
    folder: str | Path,
) -> None:
    folder = Path(folder)
    with recording(recipe, folder, parents={"weights": weights, "card": card, "history": history}) as record:
        model = load(Path(weights).parent)
        _check_survey(model.card.survey, Survey.model_validate(recipe["params"]["survey"]), card)
        for source, name in ((weights, WEIGHTS), (card, CARD), (history, HISTORY)):
            with atomic_path(folder / name) as partial:
                shutil.copyfile(source, partial)
        draw_curves(folder / CURVES, read_history(history), f"{model.card.name} {model.card.version}")
        record.rows = model.card.examples
        record.extra.update(trained_as=f"{model.card.name} {model.card.version}", device=model.card.device)
        log.info("%s: %s %s, as shipped", recipe["name"], model.card.name, model.card.version)


def _check_survey(trained: Survey, wanted: Survey, card: str | Path) -> None:
    """Refuse a model of another survey; a network knows the pixels, PSF and noise that it was trained on."""
    trained_facts, wanted_facts = trained.physics(), wanted.physics()
    differing = [key for key in wanted_facts if trained_facts.get(key) != wanted_facts[key]]
    if differing:
        key = differing[0]
        raise VersionError(
            card,
            expected=f"a network trained for the survey of this run, {key}: {wanted_facts[key]}",
            found=f"{key}: {trained_facts.get(key)}",
            remedy="Train one (config: models, finders), or take the survey that this one was trained for.",
        )


def ship_model(
    model: str | Path, name: str, models_dir: str | Path, metrics: str | Path | None = None
) -> Path:
    """Put a trained network where runs find it, with its test figures.

    Parameters
    ----------
    model : str or Path
        Folder of the trained network: one that measures, finds sources, draws galaxies or restores images.
    name : str
        What it shall be called; it goes to ``<models_dir>/<survey>/<name>/`` and replaces what is there.
    models_dir : str or Path
        Folder of the shipped networks.
    metrics : str or Path, optional
        ``metrics.json`` of a run in which a detector of the network's own name was tested; for a network that finds
        sources, what ``benchmarks/finder.py`` writes.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    ConfigError
        If the name is not one.
    DataError
        If a file cannot be read, or the metrics hold nothing of this network.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError("NAME", expected="letters, digits, '_' and '-', 64 at most", found=f"'{name}'")
    source = Path(model)
    trained, wanted = _trained(source)
    folder = Path(models_dir) / trained.card.survey.name / name
    figures = trained.card.test if metrics is None else _test_figures(metrics, trained.card.name, wanted)
    halved = {key: _halved(key, value) for key, value in plain_weights(trained.network).items()}
    history = read_history(source / HISTORY)
    folder.mkdir(parents=True, exist_ok=True)
    checksum = save_weights(folder / WEIGHTS, halved)
    trained.network.load_state_dict(halved)
    changed = {"weights_sha256": checksum, "probe": trained.probe(), "test": figures}
    write_card(folder / CARD, trained.card.model_copy(update=changed))
    write_history(folder / HISTORY, history)
    return folder


def _trained(source: Path) -> tuple[AnyNetwork, Mapping[str, tuple[str, ...]]]:
    """Read a trained network of any kind; returns it and which figures of a run go onto its card."""
    if is_generator(source / CARD):
        drawing = load_generator(source)
        name = drawing.card.name
        return drawing, {**GENERATOR_TESTS, "dataset": (f"generated:{name}", f"anomaly:{name}")}
    if is_restorer(source / CARD):
        restoring = load_restorer(source)
        return restoring, {**RESTORER_TESTS, "dataset": (f"restored:{restoring.card.name}",)}
    if is_finder(source / CARD):
        return load_finder(source), FINDER_TESTS
    return load_model(source), MODEL_TESTS


def _halved(key: str, value: Tensor) -> Tensor:
    """Return weights at half precision where that does no harm."""
    return value if key.startswith(MIXTURE) else value.to(torch.float16)


def _test_figures(
    metrics: str | Path, detector: str, wanted: Mapping[str, tuple[str, ...]]
) -> dict[str, str]:
    """Return the test figures of one detector as text, with their 95 % intervals."""
    records = read_records(metrics)
    figures = {
        f"{one.dataset}, {one.subset}: {one.metric}": (
            f"{one.value:.4g} [{one.low:.4g}, {one.high:.4g}] {one.unit}, n = {one.n}"
        )
        for one in records
        if one.detector == detector and all(getattr(one, key) in known for key, known in wanted.items())
    }
    if not figures:
        names = sorted({one.detector for one in records})
        raise DataError(
            metrics,
            expected=f"figures of '{detector}' on {' or '.join(wanted['dataset'])}",
            found=f"figures of {', '.join(names)}",
        )
    return figures

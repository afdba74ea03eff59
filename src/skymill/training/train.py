"""Stage `train`: sets of blends → a model with its card, its history and its curves."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from skymill.config.train import ModelConfig
from skymill.data.survey import Survey
from skymill.models.build import build_network, count_parameters
from skymill.models.device import choose_device, describe_device
from skymill.provenance.code import code_stamp
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.tasks.build import build_task
from skymill.tasks.registry import Task
from skymill.training.augment import Augment, window_px
from skymill.training.blends import BlendData, Needs, loader
from skymill.training.card import CARD, WEIGHTS, Card, save_weights, write_card
from skymill.training.history import best_epoch, draw_curves, write_history
from skymill.training.loop import BEST, BlendModule, Resources, fit, precision_of, wants_progress

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
HISTORY, CURVES = "history.csv", "curves.png"
NOT_METRICS = {"epoch", "train_loss", "learning_rate", "seconds"}


def train_model(
    recipe: Mapping[str, Any],
    train_stamps: str | Path,
    train_truth: str | Path,
    validation_stamps: str | Path,
    validation_truth: str | Path,
    folder: str | Path,
    execution: Mapping[str, Any] | None = None,
) -> None:
    """Train one model; a training that was killed goes on after its last complete epoch.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` with ``seed``, ``survey`` and ``model`` among its parameters.
    train_stamps, train_truth, validation_stamps, validation_truth : str or Path
        Sets of blends and their catalogues.
    folder : str or Path
        The model's folder: gets ``weights.safetensors``, ``model.yaml``, ``history.csv``, ``curves.png`` and
        ``provenance.json``.
    execution : mapping, optional
        Values of `TrainConfig.execution_keys` (device, workers, threads, progress, cache_limit_gb); defaults otherwise.
        On one device with one number of threads the same recipe gives the same weights, resumed or not; another
        device or number of threads rounds differently.

    Raises
    ------
    DataError
        If the blends do not hold what the model needs.
    TrainingError
        If the loss is not finite.
    """
    folder, params = Path(folder), recipe["params"]
    survey = Survey.model_validate(params["survey"])
    config = _with_execution(params["model"], execution or {})
    parents = {
        "train_stamps": train_stamps,
        "train_truth": train_truth,
        "validation_stamps": validation_stamps,
        "validation_truth": validation_truth,
    }
    with recording(recipe, folder, parents=parents) as record, _threads(config.training.threads):
        device = choose_device(config.training.device)
        module, loaders = _prepare(recipe, config, survey, parents)
        log.info("training %s on %s", recipe["name"], describe_device(device))
        resources = Resources(device, wants_progress(config.training.progress))
        fit(module, *loaders, folder / CHECKPOINTS, resources)
        card = _write_products(folder, recipe, config, survey, module, loaders, device)
        shutil.rmtree(folder / CHECKPOINTS)
        record.rows = card.train_blends
        record.extra.update(device=card.device, epochs=card.epochs, best_epoch=card.best_epoch)


def _with_execution(values: Mapping[str, Any], execution: Mapping[str, Any]) -> ModelConfig:
    """Join the recipe's options with those that say how it is executed."""
    return ModelConfig.model_validate({**values, "training": {**values["training"], **execution}})


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with `count` CPU threads; None keeps torch's number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prepare(
    recipe: Mapping[str, Any], config: ModelConfig, survey: Survey, files: Mapping[str, str | Path]
) -> tuple[BlendModule, tuple[DataLoader, DataLoader]]:
    """Make network, task and data."""
    seed, training = int(recipe["params"]["seed"]), config.training
    task = build_task(config.task, survey.psf_fwhm_px)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng(seed, "train", "weights").integers(2**62)))
        network = build_network(config.network, task.channels, task.values, config.input_px)
    augment = Augment(training.augment, config.input_px, seed)
    identity = f"{recipe['version']} {code_stamp('skymill.training.train')}"
    module = BlendModule(network, task, training, augment, identity)
    return module, (
        _loader("train", config, survey, task, files, seed),
        _loader("validation", config, survey, task, files, None),
    )


def _loader(
    side: str,
    config: ModelConfig,
    survey: Survey,
    task: Task,
    files: Mapping[str, str | Path],
    seed: int | None,
) -> DataLoader:
    """Make the loader of one side; `seed` shuffles it and goes with augmentation."""
    augment = config.training.augment
    window = window_px(config.input_px, augment) if side == "train" else config.input_px + 1
    needs = Needs(window, task.galaxies, task.needs_masks, noise_free=side == "train" and augment.resamples)
    cache_bytes = config.training.cache_limit_gb * 1e9
    data = BlendData(files[f"{side}_stamps"], files[f"{side}_truth"], survey, needs, cache_bytes)
    return loader(data, config.training.batch_size, seed, config.training.workers)


def _write_products(
    folder: Path,
    recipe: Mapping[str, Any],
    config: ModelConfig,
    survey: Survey,
    module: BlendModule,
    loaders: tuple[DataLoader, DataLoader],
    device: torch.device,
) -> Card:
    """Write weights, card, history and curves."""
    history, best = module.history, best_epoch(module.history)
    checksum = save_weights(folder / WEIGHTS, load_file(folder / CHECKPOINTS / BEST))
    card = Card(
        name=recipe["name"],
        version=recipe["version"],
        network=config.network,
        task=config.task,
        input_px=config.input_px,
        bands=(survey.band,),
        survey=survey,
        training=config.training,
        seed=recipe["params"]["seed"],
        parents=dict(recipe["parents"]),
        train_blends=len(loaders[0].dataset),
        validation_blends=len(loaders[1].dataset),
        epochs=len(history),
        best_epoch=int(best["epoch"]),
        validation={name: value for name, value in best.items() if name not in NOT_METRICS},
        parameters=count_parameters(module.network),
        device=describe_device(device),
        precision=precision_of(config.training, device),
        hours=sum(row["seconds"] for row in history) / 3600,
        code=code_stamp("skymill.training.train"),
        weights_sha256=checksum,
    )
    write_card(folder / CARD, card)
    write_history(folder / HISTORY, history)
    draw_curves(folder / CURVES, history, f"{recipe['name']} {recipe['version']}")
    return card

"""Stage `train`: galaxies, blended as they are needed → a model with its card, its history and its curves."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.data import DataLoader

from skymill.config.base import ConfigModel
from skymill.config.blend import BlendConfig
from skymill.config.finder import FinderConfig
from skymill.config.train import ModelConfig, critic_of
from skymill.data.survey import Survey
from skymill.data.tile import Tile
from skymill.errors import ConfigError
from skymill.models.build import build_network, count_parameters
from skymill.models.device import choose_device, describe_device
from skymill.provenance.code import code_stamp
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.tasks.batch import Batch
from skymill.tasks.build import build_task
from skymill.tasks.calibration import Calibration, calibrate
from skymill.tasks.registry import Task
from skymill.training.adversarial import training_module
from skymill.training.augment import validation_window_px, window_px
from skymill.training.blends import ComposedBlends, Source, loader
from skymill.training.card import WEIGHTS, Card, read_card, save_weights
from skymill.training.checkpoint import read_best
from skymill.training.history import best_epoch
from skymill.training.loop import (
    BEST,
    BlendModule,
    Resources,
    fit,
    precision_of,
    usable_checkpoint,
    wants_progress,
)
from skymill.training.noise import build_batch_noise
from skymill.training.pictures import LIMITS, USE, augmenting
from skymill.training.probe import probe
from skymill.training.processes import ONE, Processes, run_processes
from skymill.training.products import CHECKPOINTS, write_products
from skymill.training.start import start_from

log = logging.getLogger(__name__)

AnyConfig = TypeVar("AnyConfig", bound=ConfigModel)
NOT_METRICS = {"epoch", "train_loss", "learning_rate", "seconds"}


def train_model(
    recipe: Mapping[str, Any],
    stamps: str | Path,
    truth: str | Path,
    folder: str | Path,
    noise_tile: str | Path | None = None,
    start: str | Path | None = None,
    execution: Mapping[str, Any] | None = None,
    processes: Processes = ONE,
) -> None:
    """Train one model; a training that was killed goes on after its last complete epoch.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` with ``seed``, ``survey``, ``blend`` (a
        :class:`~skymill.config.blend.BlendConfig`) and ``model`` among its parameters.
    stamps, truth : str or Path
        The population, as :func:`skymill.simulate.gather.simulate_population` made it; only galaxies of the sides
        train and validation are used.
    folder : str or Path
        The model's folder: gets ``weights.safetensors``, ``model.yaml``, ``history.csv``, ``curves.png`` and
        ``provenance.json``.
    noise_tile : str or Path, optional
        Ingested tile that blank sky is cut from, for real noise.
    start : str or Path, optional
        Card of the shipped model to start from (`model.start`), beside its weights.
    execution : mapping, optional
        Values of `TrainConfig.execution_keys` (device, workers, threads, progress, cache_limit_gb); defaults otherwise.
        On one device with one number of threads the same recipe gives the same weights, resumed or not; another
        device or number of threads rounds differently.
    processes : Processes, optional
        Processes that share each batch, one GPU or some cores each; this one alone by default. Their number changes
        rounding only: the gradient is the batch's, and blends, augmentation and noise are the same.

    Raises
    ------
    ConfigError
        If a side has too few galaxies for the blends, or a batch too few blends for the processes; if several of them
        shall share a training with a critic.
    DataError
        If a file cannot be read or written.
    TrainingError
        If the loss is not finite, or one of several processes fails.
    """
    folder = Path(folder)
    config = with_execution(ModelConfig, recipe["params"]["model"], execution)
    if critic_of(config.task) is not None and processes.count > 1:
        raise ConfigError(
            "processes of a training with a critic",
            expected="1",
            found=str(processes.count),
            remedy="Ask for one task, or take `critic: null`.",
        )
    given = {"stamps": stamps, "truth": truth, "noise_tile": noise_tile, "start": start}
    parents = {role: path for role, path in given.items() if path}
    with recording(recipe, folder, parents=parents) as record, cpu_threads(config.training.threads):
        device = choose_device(config.training.device)
        if processes.count == 1:
            module, validation = train_epochs(recipe, parents, folder, execution)
        else:
            call = {"recipe": recipe, "files": parents, "folder": folder, "execution": execution}
            run_processes(processes, call, folder / CHECKPOINTS, torch.get_num_threads())
            module, (_, validation) = _prepare(recipe, config, parents)
            module.on_load_checkpoint(usable_checkpoint(folder / CHECKPOINTS, module.identity))
        card = _calibrated(folder, recipe, config, module, validation, device, start, processes.count)
        write_products(folder, recipe, card, module, record, card.blends_per_epoch)


def train_epochs(
    recipe: Mapping[str, Any],
    files: Mapping[str, str | Path],
    folder: str | Path,
    execution: Mapping[str, Any] | None = None,
    processes: Processes = ONE,
) -> tuple[BlendModule, DataLoader]:
    """Train until the end and leave checkpoints; one of several processes does its part.

    Parameters
    ----------
    recipe, folder, execution, processes
        As for :func:`train_model`.
    files : mapping
        Its other files, by role.

    Returns
    -------
    module : BlendModule
        With its history; the best weights are in the checkpoints.
    validation : DataLoader
        The blends that it is validated on.
    """
    config = with_execution(ModelConfig, recipe["params"]["model"], execution)
    with cpu_threads(config.training.threads):
        device = choose_device(config.training.device)
        module, (train, validation) = _prepare(recipe, config, files)
        log.info("training %s on %s", recipe["name"], in_words(device, processes.count))
        resources = Resources(device, wants_progress(config.training.progress), processes)
        fit(module, train, validation, Path(folder) / CHECKPOINTS, resources)
    return module, validation


def in_words(device: torch.device, processes: int) -> str:
    """Return what is trained on in words."""
    return describe_device(device) if processes == 1 else f"{processes} × {describe_device(device)}"


def with_execution(
    kind: type[AnyConfig], values: Mapping[str, Any], execution: Mapping[str, Any] | None
) -> AnyConfig:
    """Join the recipe's options of what is trained with those that say how it is executed."""
    return kind.model_validate({**values, "training": {**values["training"], **(execution or {})}})


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Compute with `count` CPU threads; None keeps torch's number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prepare(
    recipe: Mapping[str, Any], config: ModelConfig, files: Mapping[str, str | Path]
) -> tuple[BlendModule, tuple[DataLoader, DataLoader]]:
    """Make network, task and data."""
    params, training = recipe["params"], config.training
    seed, survey = member_seed(int(params["seed"]), config.member), Survey.model_validate(params["survey"])
    blend = BlendConfig.model_validate(params["blend"])
    task = build_task(config.task, survey.psf_fwhm_px)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng(seed, "train", "weights").integers(2**62)))
        network = build_network(config.network, task.values, config.input_px)
    if config.start is not None:
        start_from(network, config, files["start"])
    tile = Tile.read(files["noise_tile"]) if "noise_tile" in files else None
    augment = augmenting(
        config.task,
        training.augment,
        config.input_px,
        seed,
        build_batch_noise(blend.noise, survey, tile),
        survey.psf_fwhm_px,
        blend.mask_threshold_rms,
    )
    identity = f"{recipe['version']} {code_stamp('skymill.training.train')}"
    module = training_module(network, task, training, augment, identity)
    sides = {"train": blend.n_train, "validation": blend.n_validation}
    loaders = [
        _loader(Source(files["stamps"], files["truth"], side, survey, blend, seed), n, config, task)
        for side, n in sides.items()
    ]
    return module, tuple(loaders)


def member_seed(seed: int, member: int) -> int:
    """Return the seed of a member of an ensemble; the first has that of the run."""
    return seed if member == 0 else int(rng(seed, "train", "member", member).integers(2**31))


def _loader(source: Source, n: int, config: ModelConfig, task: Task) -> DataLoader:
    """Make the loader of one side: new blends in each epoch to train on, always the same ones to validate."""
    is_fixed = source.side == "validation"
    training = config.training
    side = validation_window_px if is_fixed else window_px
    window = side(config.input_px, training.augment, source.survey.psf_fwhm_px)
    data = ComposedBlends(source, window, task.galaxies, training.cache_limit_gb * 1e9)
    return loader(data, n, training.batch_size, training.workers, is_fixed=is_fixed)


def validation_batches(recipe: Mapping[str, Any], files: Mapping[str, str | Path]) -> Iterator[Batch]:
    """Give the validation blends of a training, as it sees them."""
    # What the training started from says nothing about its blends.
    config = ModelConfig.model_validate({**recipe["params"]["model"], "start": None})
    module, (_, validation) = _prepare(recipe, config, files)
    return _validation(module, validation, torch.device("cpu"))


def _validation(module: BlendModule, validation: DataLoader, device: torch.device) -> Iterator[Batch]:
    for number, windows in enumerate(validation):
        yield module.augment.as_they_are({name: one.to(device) for name, one in windows.items()}, number)


@torch.no_grad()
def calibrate_network(network: nn.Module, task: Task, batches: Iterable[Batch]) -> Calibration:
    """Measure on the validation blends what a network's errors are worth."""
    parts = []
    for batch in batches:
        outputs = network(task.inputs(batch.image, batch.condition))
        location, scale = task.log_flux(outputs, batch.image)
        parts.append(torch.stack([location, scale, torch.log(batch.flux)]).flatten(1))
    return calibrate(*torch.cat(parts, dim=1))


def training_facts(
    recipe: Mapping[str, Any],
    config: ModelConfig | FinderConfig,
    module: BlendModule,
    device: torch.device,
    processes: int = 1,
) -> dict[str, Any]:
    """Return what every card says of a training: the fields of a :class:`~skymill.training.card.TrainingCard`.

    What the files and the code are is left to the caller: ``code`` and ``weights_sha256``.
    """
    survey, best = Survey.model_validate(recipe["params"]["survey"]), best_epoch(module.history)
    return {
        "name": recipe["name"],
        "version": recipe["version"],
        "input_px": config.input_px,
        "bands": (survey.band,),
        "survey": survey,
        "training": config.training,
        "seed": recipe["params"]["seed"],
        "parents": dict(recipe["parents"]),
        "epochs": len(module.history),
        "best_epoch": int(best["epoch"]),
        "validation": {name: value for name, value in best.items() if name not in NOT_METRICS},
        "parameters": count_parameters(module.network),
        "device": in_words(device, processes),
        "processes": processes,
        "precision": precision_of(config.training, device),
        "hours": sum(row["seconds"] for row in module.history) / 3600,
    }


def _calibrated(
    folder: Path,
    recipe: Mapping[str, Any],
    config: ModelConfig,
    module: BlendModule,
    validation: DataLoader,
    device: torch.device,
    start: str | Path | None,
    processes: int,
) -> Card:
    """Calibrate, write the weights, and describe them."""
    params, before = recipe["params"], read_card(start) if start else None
    weights = read_best(folder / CHECKPOINTS / BEST)
    module.network.load_state_dict(weights)
    network = module.network.to(device).eval()
    calibration, words = None, {"intended_use": USE, "limits": LIMITS}
    if config.task.measures:
        calibration, words = (
            calibrate_network(network, module.task, _validation(module, validation, device)),
            {},
        )
    facts = training_facts(recipe, config, module, device, processes)
    if before is not None:
        facts["hours"] += before.hours
        facts["start"] = (
            f"{config.start.model}, version {before.version}, weights {before.weights_sha256[:12]}"
        )
    return Card(
        **facts,
        **words,
        network=config.network,
        task=config.task,
        population=params["population"],
        blend=params["blend"],
        blends_per_epoch=params["blend"]["n_train"],
        validation_blends=params["blend"]["n_validation"],
        calibration=calibration,
        probe=probe(module.network, module.task, calibration, config.input_px),
        code=code_stamp("skymill.training.train"),
        weights_sha256=save_weights(folder / WEIGHTS, weights),
    )

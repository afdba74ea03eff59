"""Stage `finder`: patches of sky → a network that finds sources, with its card, its history and its curves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skymill.config.finder import FinderConfig
from skymill.data.survey import Survey
from skymill.errors import TrainingError
from skymill.metrics.calibration import calibration_error, fit_logistic, logistic, reliability
from skymill.metrics.ranking import rank
from skymill.models.detection_unet import DetectionUnet
from skymill.models.device import choose_device, describe_device
from skymill.provenance.code import code_stamp
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.tasks.detection import DetectionTask
from skymill.tasks.patches import Patches
from skymill.training.card import WEIGHTS, save_weights
from skymill.training.checkpoint import read_best
from skymill.training.finder_card import Calibration, FinderCard
from skymill.training.loop import BEST, BlendModule, Resources, fit, wants_progress
from skymill.training.order import epoch_loaders
from skymill.training.probe import probe_finder
from skymill.training.products import CHECKPOINTS, write_products
from skymill.training.scenes import PatchAugment, SceneData, whole
from skymill.training.train import cpu_threads, training_facts, with_execution

log = logging.getLogger(__name__)

VALIDATION_BATCH = 8
FEWEST_PEAKS = 10
LEAST_TOLD = 0.05
"""Peaks of lower probability are so many that they would hide how reliable the others are."""


class DetectionModule(BlendModule):
    """The training loop's module, on patches of sky instead of blends."""

    def inputs(self, batch: Patches) -> Tensor:
        """Return what the network is given of a batch."""
        return self.task.inputs(batch.image)


def train_finder(
    recipe: Mapping[str, Any],
    train_stamps: str | Path,
    train_truth: str | Path,
    validation_stamps: str | Path,
    validation_truth: str | Path,
    folder: str | Path,
    execution: Mapping[str, Any] | None = None,
) -> None:
    """Train a network that finds sources; a training that was killed goes on after its last complete epoch.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` with ``seed``, ``survey`` and ``finder``
        (:class:`~skymill.config.finder.FinderConfig`) among its parameters.
    train_stamps, train_truth, validation_stamps, validation_truth : str or Path
        Sets of patches and their catalogues, of the stage scene.
    folder : str or Path
        Gets ``weights.safetensors``, ``model.yaml``, ``history.csv``, ``curves.png`` and ``provenance.json``.
    execution : mapping, optional
        Values of `TrainConfig.execution_keys`; defaults otherwise. See :func:`skymill.training.train.train_model`.

    Raises
    ------
    DataError
        If the patches do not hold what the network needs.
    TrainingError
        If the loss is not finite, or the network finds nothing to calibrate with.
    """
    folder, params = Path(folder), recipe["params"]
    config = with_execution(FinderConfig, params["finder"], execution)
    survey = Survey.model_validate(params["survey"])
    files = {
        "train_stamps": train_stamps,
        "train_truth": train_truth,
        "validation_stamps": validation_stamps,
        "validation_truth": validation_truth,
    }
    with recording(recipe, folder, parents=files) as record, cpu_threads(config.training.threads):
        device = choose_device(config.training.device)
        train = SceneData(train_stamps, train_truth, survey, config.input_px)
        validation = SceneData(validation_stamps, validation_truth, survey)
        loaders = epoch_loaders(train, validation, config.training, int(params["seed"]), VALIDATION_BATCH)
        module = _module(recipe, config, survey)
        log.info("training %s on %s", recipe["name"], describe_device(device))
        fit(
            module,
            *loaders,
            folder / CHECKPOINTS,
            Resources(device, wants_progress(config.training.progress)),
        )
        weights = read_best(folder / CHECKPOINTS / BEST)
        module.network.load_state_dict(weights)
        card = FinderCard(
            **training_facts(recipe, config, module, device),
            network=config.network,
            task=config.task,
            train_patches=train.n,
            validation_patches=validation.n,
            detection=calibrate(module.network, module.task, loaders[1], device),
            probe=probe_finder(module.network, module.task, config.input_px),
            code=code_stamp("skymill.training.finder"),
            weights_sha256=save_weights(folder / WEIGHTS, weights),
        )
        write_products(folder, recipe, card, module, record, train.n)


def _module(recipe: Mapping[str, Any], config: FinderConfig, survey: Survey) -> DetectionModule:
    seed = int(recipe["params"]["seed"])
    task = DetectionTask(config.task, survey.psf_fwhm_px)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng(seed, "finder", "weights").integers(2**62)))
        network = DetectionUnet(config.network, task.channels)
    augment = PatchAugment(config.training.augment, config.input_px, seed)
    identity = f"{recipe['version']} {code_stamp('skymill.training.finder')}"
    return DetectionModule(network, task, config.training, augment, identity)


@torch.inference_mode()
def calibrate(
    network: nn.Module, task: DetectionTask, patches: DataLoader, device: torch.device
) -> Calibration:
    """Turn the logits of peaks into probabilities and choose which probability a candidate needs.

    Parameters
    ----------
    network : torch.nn.Module
        With its final weights.
    task : DetectionTask
        Says what is a match and how the threshold is chosen.
    patches : DataLoader
        Whole validation patches.
    device : torch.device
        Where to compute.

    Raises
    ------
    TrainingError
        If the network finds next to nothing, real or not.
    """
    network, metrics = network.to(device).eval(), task.metrics()
    for batch in patches:
        seen = whole({name: values.to(device) for name, values in batch.items()})
        metrics.update(network(task.inputs(seen.image)), seen)
    found = metrics.found()
    if len(found.logit) < FEWEST_PEAKS or not found.is_real.any():
        raise TrainingError(
            "calibration of the detection network",
            expected=f"at least {FEWEST_PEAKS} peaks on the validation patches, some of them real",
            found=f"{len(found.logit)} peaks, {int(found.is_real.sum())} of them real",
            remedy="Train longer, or make more validation patches.",
        )
    slope, intercept = fit_logistic(found.logit, found.is_real)
    if slope <= 0:
        raise TrainingError(
            "calibration of the detection network",
            expected="stronger peaks that are more probable",
            found=f"a slope of {slope:.3g}",
            remedy="Train longer.",
        )
    probability = logistic(found.logit, slope, intercept)
    ranking = rank(probability, found.is_real, len(found.best))
    purity = task.config.least_purity
    chosen = (
        ranking.threshold_of_best_f1()
        if task.config.threshold == "best_f1"
        else ranking.threshold_of_purity(purity)
    )
    kept, told = probability >= chosen, probability >= LEAST_TOLD
    table = reliability(probability[told], found.is_real[told])
    return Calibration(
        slope=slope,
        intercept=intercept,
        least_probability=float(chosen),
        purity=float(found.is_real[kept].mean()),
        completeness=float(found.is_real[kept].sum() / max(len(found.best), 1)),
        max_distance_px=task.max_distance_px,
        calibration_error=calibration_error(table),
        reliability=tuple(table),
    )

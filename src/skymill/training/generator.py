"""Stage `generator`: isolated galaxies → a network that draws such galaxies, with card, history, curves and film."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skymill.config.generator import GeneratorConfig, WganConfig
from skymill.data.survey import Survey
from skymill.errors import ConfigError
from skymill.models.build import build_generator, count_parameters
from skymill.models.device import choose_device, describe_device
from skymill.models.mixture import fit_mixture
from skymill.models.vae import GalaxyNetwork
from skymill.provenance.code import code_stamp
from skymill.provenance.record import recording
from skymill.rng import rng
from skymill.simulate.psf import effective_psf
from skymill.training.anomaly import FEWEST, fit_ordinary, misfits
from skymill.training.card import WEIGHTS, plain_weights, save_weights
from skymill.training.checkpoint import read_best
from skymill.training.elbo import VaeTask
from skymill.training.galaxies import GalaxyAugment, GalaxyData, turned
from skymill.training.generator_card import GeneratorCard, Ordinary, probe_generator
from skymill.training.history import best_epoch
from skymill.training.loop import BEST, Resources, fit, wants_progress
from skymill.training.order import epoch_loaders
from skymill.training.products import CHECKPOINTS, write_products
from skymill.training.samples_film import FilmedModule
from skymill.training.train import NOT_METRICS, cpu_threads, training_facts, with_execution
from skymill.training.wgan import WganModule

log = logging.getLogger(__name__)

AT_ONCE = 64
ENCODER = "encoder"
"""Folder of the checkpoints of an encoder that learns after the network that draws, among the others."""


class GeneratorModule(FilmedModule):
    """The training loop's module, on isolated galaxies."""

    def training_step(self, windows: dict[str, Tensor], batch_index: int) -> Tensor:
        """Return the loss of an augmented batch."""
        with torch.no_grad():
            batch = self.augment(windows, self.current_epoch, batch_index)
        loss = self.task.loss(self.network(batch.seen, batch.draw), batch)
        self._note("train", loss, len(batch.image))
        return loss

    def validation_step(self, windows: dict[str, Tensor], batch_index: int) -> None:
        """Add a batch to the validation's figures."""
        batch = self.augment.as_they_are(windows, batch_index)
        outputs = self.network(batch.seen, batch.draw)
        self._note("validation", self.task.loss(outputs, batch), len(batch.image))
        self.validation_metrics.update(outputs, batch)


Trained = GeneratorModule | WganModule


def train_generator(
    recipe: Mapping[str, Any],
    stamps: str | Path,
    truth: str | Path,
    folder: str | Path,
    execution: Mapping[str, Any] | None = None,
) -> None:
    """Train a network that draws galaxies; a training that was killed goes on after its last complete epoch.

    Parameters
    ----------
    recipe : mapping
        :meth:`skymill.provenance.recipe.Recipe.to_dict` with ``seed``, ``survey`` and ``generator``
        (:class:`~skymill.config.generator.GeneratorConfig`) among its parameters; with ``half``, 1 or 2, it learns from
        that half of the galaxies alone.
    stamps, truth : str or Path
        The population, as :func:`skymill.simulate.gather.simulate_population` made it; only galaxies of the sides train
        and validation are used, and no points.
    folder : str or Path
        Gets ``weights.safetensors``, ``model.yaml``, ``history.csv``, ``curves.png``, ``film.png`` and
        ``provenance.json``.
    execution : mapping, optional
        Values of `TrainConfig.execution_keys`; defaults otherwise. See :func:`skymill.training.train.train_model`.

    Raises
    ------
    ConfigError
        If there are too few galaxies for the components of the mixture, or to say what is usual.
    DataError
        If the stamps do not hold what the network needs.
    TrainingError
        If the loss is not finite.
    """
    folder, params = Path(folder), recipe["params"]
    config = with_execution(GeneratorConfig, params["generator"], execution)
    survey = Survey.model_validate(params["survey"])
    with (
        recording(recipe, folder, parents={"stamps": stamps, "truth": truth}) as record,
        cpu_threads(config.training.threads),
    ):
        device = choose_device(config.training.device)
        half = (int(params["half"]), int(params["seed"])) if "half" in params else None
        sides = [
            GalaxyData(stamps, truth, side, survey, config.input_px, part)
            for side, part in (("train", half), ("validation", None))
        ]
        _check_numbers(recipe["name"], config, *sides)
        log.info("training %s on %s", recipe["name"], describe_device(device))
        network, augment = _prepare(recipe, config, survey)
        resources = Resources(device, wants_progress(config.training.progress))
        module, encoder = _train(recipe, config, network, augment, sides, folder / CHECKPOINTS, resources)
        network.to(device).eval()
        _fit_prior(network, sides[0], augment)
        ordinary = _ordinary(network, sides[1], augment)
        network.cpu()
        facts = training_facts(recipe, config, module, device)
        if encoder is not None:
            facts["hours"] += sum(row["seconds"] for row in encoder.history) / 3600
        network.requires_grad_(requires_grad=True)
        facts["parameters"] = count_parameters(network)
        card = GeneratorCard(
            **facts,
            network=config.network,
            population=config.population,
            noise=config.noise,
            kl_weight=config.kl_weight,
            train_galaxies=len(sides[0]),
            validation_galaxies=len(sides[1]),
            half=params.get("half"),
            encoder={} if encoder is None else _figures(encoder),
            ordinary=ordinary,
            probe=probe_generator(network),
            code=code_stamp("skymill.training.generator"),
            weights_sha256=save_weights(folder / WEIGHTS, plain_weights(network)),
        )
        write_products(folder, recipe, card, module, record, len(sides[0]))


def _check_numbers(name: str, config: GeneratorConfig, train: GalaxyData, validation: GalaxyData) -> None:
    """Refuse a population that is too small for the mixture or to say what is usual, before anything is trained."""
    if len(validation) < FEWEST:
        raise ConfigError(
            f"generators.{name}.population",
            expected=f"at least {FEWEST} galaxies on the validation side, to say what is usual",
            found=f"{len(validation)}",
            remedy="Raise n_galaxies of the population, or split.validation.",
        )
    if len(train) <= config.network.components:
        raise ConfigError(
            f"generators.{name}.network.components",
            expected=f"fewer than the {len(train)} galaxies that there are to train on",
            found=str(config.network.components),
            remedy="Raise n_galaxies of the population, or lower components.",
        )


def _prepare(
    recipe: Mapping[str, Any], config: GeneratorConfig, survey: Survey
) -> tuple[GalaxyNetwork, GalaxyAugment]:
    """Make the network, with random weights and the survey's PSF, and what turns galaxies into batches."""
    seed = int(recipe["params"]["seed"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng(seed, "generator", "weights").integers(2**62)))
        network = build_generator(config.network, config.input_px)
    network.psf.copy_(psf_image(survey, network.psf.shape[0], config.network.supersampling))
    return network, GalaxyAugment(config.training.augment, config.noise, survey, config.network.latent, seed)


def _train(
    recipe: Mapping[str, Any],
    config: GeneratorConfig,
    network: GalaxyNetwork,
    augment: GalaxyAugment,
    sides: Sequence[GalaxyData],
    checkpoints: Path,
    resources: Resources,
) -> tuple[Trained, GeneratorModule | None]:
    """Train the network; an encoder that learns afterwards is a training of its own."""
    identity = f"{recipe['version']} {code_stamp('skymill.training.generator')}"
    seed, task = int(recipe["params"]["seed"]), VaeTask(config.kl_weight)

    def fitted(module: Trained, folder: Path) -> Trained:
        fit(module, *epoch_loaders(*sides, config.training, seed), folder, resources)
        network.load_state_dict(read_best(folder / BEST))
        return module

    if not isinstance(config.network, WganConfig):
        return fitted(GeneratorModule(network, task, config.training, augment, identity), checkpoints), None
    drawing = fitted(WganModule(network, config.training, augment, identity), checkpoints)
    for part in (network.guesser, network.encoder):
        part.requires_grad_(requires_grad=True)
    wanted = {
        "max_epochs": config.network.encoder_epochs,
        "learning_rate": config.network.encoder_learning_rate,
        "patience_epochs": None,
    }
    learning = config.training.model_copy(update=wanted)
    log.info("training its encoder")
    encoder = fitted(GeneratorModule(network, task, learning, augment, identity), checkpoints / ENCODER)
    return drawing, encoder


def _figures(module: GeneratorModule) -> dict[str, float]:
    """Return loss and metrics of the best epoch in validation."""
    best = best_epoch(module.history)
    return {name: value for name, value in best.items() if name not in NOT_METRICS}


def psf_image(survey: Survey, side: int, supersampling: int) -> Tensor:
    """Return the survey's PSF at the points of a grid (side, side), its middle at point side // 2.

    Flux per point: the sum is 1 less the light that lies outside.
    """
    scale = survey.pixel_scale_arcsec / supersampling
    image = effective_psf(survey.psf).drawImage(
        nx=side + 1 - side % 2, ny=side + 1 - side % 2, scale=scale, method="no_pixel", dtype=np.float64
    )
    return torch.from_numpy(image.array[:side, :side].astype(np.float32))


@torch.inference_mode()
def _fit_prior(network: GalaxyNetwork, galaxies: GalaxyData, augment: GalaxyAugment) -> None:
    """Fit the mixture to the looks, magnitudes and sizes of the galaxies that were trained on.

    They are seen at the least noise that the network knows, each turned as in an epoch of its own.
    """
    generator, rows = rng(augment.seed, "generator", "prior"), []
    device = next(network.parameters()).device
    for start in range(0, len(galaxies), AT_ONCE):
        windows = galaxies[np.arange(start, min(start + AT_ONCE, len(galaxies)))]
        n = len(windows["mag"])
        windows = turned(windows, generator.integers(4, size=n), generator.integers(2, size=n))
        windows = {name: values.to(device) for name, values in windows.items()}
        depth = np.full(n, augment.noise.depth[0])
        batch = augment.observed(windows, windows["image"][..., :-1, :-1], depth, generator)
        mean, log_variance = network.encoder(batch.seen)
        latent = mean + batch.draw * torch.exp(0.5 * log_variance)
        look = network.look(latent, batch.seen.flux, batch.seen.re_px)
        known = torch.stack([windows["mag"], torch.log(windows["re_px"])], dim=1)
        rows.append(torch.cat([look, known], dim=1).double().cpu().numpy())
    table = np.concatenate(rows)
    network.mixture.set(*fit_mixture(table, network.config.components, generator))


def _ordinary(network: GalaxyNetwork, galaxies: GalaxyData, augment: GalaxyAugment) -> Ordinary:
    """Measure the misfits of the validation side's galaxies at the survey's own noise."""
    generator, parts = rng(augment.seed, "generator", "ordinary"), []
    device = next(network.parameters()).device
    for start in range(0, len(galaxies), AT_ONCE):
        windows = galaxies[np.arange(start, min(start + AT_ONCE, len(galaxies)))]
        windows = {name: values.to(device) for name, values in windows.items()}
        light = windows["image"][..., :-1, :-1]
        seen = augment.observed(windows, light, np.ones(len(light)), generator).seen
        error = augment.noise.relative_error
        electrons = torch.full_like(seen.noise, augment.electrons)
        parts.append(misfits(network, seen.image, seen.noise, electrons, error))
    log_snr, log_misfit = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return fit_ordinary(log_snr, log_misfit)

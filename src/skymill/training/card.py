"""The model card, and reading a model back.

A model is a folder: ``weights.safetensors`` (tensors and nothing else, never a pickle) and ``model.yaml``, its card,
which says what the weights are, what they were trained on and with, and how well they did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log2
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import yaml
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from skymill.config.base import ConfigModel, explained
from skymill.config.network import AnyNetwork
from skymill.config.safe_yaml import read_yaml
from skymill.config.train import TaskConfig, TrainConfig
from skymill.data.survey import Survey
from skymill.errors import DataError, VersionError
from skymill.models.build import build_network
from skymill.provenance.atomic import atomic_path, write_text
from skymill.provenance.record import sha256
from skymill.tasks.build import build_task
from skymill.tasks.calibration import Calibration
from skymill.tasks.registry import Task
from skymill.training.probe import differs, probe

WEIGHTS, CARD = "weights.safetensors", "model.yaml"
FORMAT = 2
LARGEST_WEIGHTS_BYTES = 4 * 10**9
FEW_NUMBERS = 1_000_000
"""So many numbers may a network be larger than its weights before the difference is looked for, name by name."""

INTENDED_USE = (
    "Photometry of galaxies in images of the survey above, on stamps centred on a detection within a pixel."
)
LIMITS = (
    "Trained on simulated galaxies only: whatever the population does not hold (tidal features, stars' spikes, other "
    "PSFs, correlated noise) is outside of its experience. flux_err and the quantiles are calibrated on simulated "
    "blends; the report says how they fared. A stamp holds limited light: galaxies that fill it are extrapolated."
)


class TrainingCard(ConfigModel):
    """What every card says of a network and its training."""

    name: str = Field(description="Name of the network.")
    version: str = Field(description="Version of the training's artifact.")
    input_px: int = Field(gt=0, le=4096, description="Side of the images that it was trained on, pixels.")
    bands: tuple[str, ...] = Field(min_length=1, description="Bands of the images.")
    survey: Survey = Field(description="The survey that the images were simulated for.")
    training: TrainConfig = Field(description="How it was trained.")
    seed: int = Field(description="Seed of the training.")
    parents: dict[str, str] = Field(description="Versions of the artifacts that it was trained on, by role.")
    epochs: int = Field(ge=1, description="Epochs trained, those of what it started from left out.")
    best_epoch: int = Field(ge=1, description="Epoch that the weights are from: lowest validation loss.")
    validation: dict[str, float] = Field(description="Loss and metrics of that epoch in validation.")
    parameters: int = Field(ge=1, description="Trained parameters.")
    device: str = Field(description="What it was trained on.")
    processes: int = Field(
        1, ge=1, description="Processes that the batches of its last epochs were shared among."
    )
    precision: str = Field(description="Number type of the training.")
    hours: float = Field(
        ge=0,
        description="Time spent in epochs, those before a resumption and of what it started from included.",
    )
    code: str = Field(description="Stamp of the training code.")
    weights_sha256: str = Field(description="Checksum of the weights' file.")


class Card(TrainingCard):
    """What a model is."""

    format: Literal[2] = Field(FORMAT, description="Version of this card's layout.")
    network: AnyNetwork = Field(description="The network's options.")
    task: TaskConfig = Field(description="What it learned.")
    population: dict[str, Any] = Field(description="Recipe of the galaxies.")
    blend: dict[str, Any] = Field(description="Recipe of the blends.")
    blends_per_epoch: int = Field(ge=1, description="Blends in an epoch, new ones in each.")
    validation_blends: int = Field(ge=1, description="Blends validated and calibrated on.")
    start: str | None = Field(
        None, description="What the training started from: model, version, checksum; null: nothing."
    )
    calibration: Calibration | None = Field(
        None, description="What its errors are worth, from the validation blends; null: it measures nothing."
    )
    probe: tuple[float, ...] = Field(description="What it gives for the stamps of skymill.training.probe.")
    test: dict[str, str] = Field({}, description="Figures of test blends, with their 95 % intervals.")
    intended_use: str = Field(INTENDED_USE, description="What it is for.")
    limits: str = Field(LIMITS, description="What it is not for.")

    @property
    def examples(self) -> int:
        """Images in an epoch."""
        return self.blends_per_epoch

    def condition_range(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the smallest and largest of each condition (psf, noise) that it was trained with."""
        augment = self.training.augment
        noise = [0.5 * log2(1 + added**2) for added in augment.added_noise_rms]
        return (log2(augment.psf_fwhm_ratio[0]), log2(augment.psf_fwhm_ratio[1])), (noise[0], noise[1])


AnyCard = TypeVar("AnyCard", bound=ConfigModel)
AnyModel = TypeVar("AnyModel")


class Model(NamedTuple):
    """A model that is ready to measure with.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU, in evaluation mode.
    task : Task
        Turns stamps into its input and its output into columns.
    card : Card
        What it is.
    """

    network: nn.Module
    task: Task
    card: Card

    def probe(self) -> tuple[float, ...]:
        """Return what the model gives for the probe's stamps (:mod:`skymill.training.probe`)."""
        return probe(self.network, self.task, self.card.calibration, self.card.input_px)


def plain_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the network's weights on the CPU in the ordinary memory layout, as safetensors wants them."""
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def save_weights(path: str | Path, weights: dict[str, Tensor]) -> str:
    """Write weights as safetensors, whole or not at all; returns the file's checksum."""
    with atomic_path(path) as partial:
        # safetensors' own writing says "SafetensorError" when the disk is full.
        partial.write_bytes(save(weights))
    return sha256(path)


def write_card(path: str | Path, card: ConfigModel) -> None:
    """Write the card as YAML, in the order of its keys."""
    write_text(
        path, yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    )


def read_card(path: str | Path, kind: type[AnyCard] = Card) -> AnyCard:
    """Read a card of some kind.

    Raises
    ------
    DataError
        If the file is missing or not YAML.
    VersionError
        If it does not have the layout that this version of skymill reads.
    """
    values = read_yaml(path, "a model card")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise VersionError(
            path,
            expected=f"a model card of format {kind.model_fields['format'].default}",
            found=explained(error),
            remedy="Train the model again.",
        ) from error


def load_model(path: str | Path) -> Model:
    """Read a model.

    Parameters
    ----------
    path : str or Path
        The model's folder, or its card or weights within it.

    Returns
    -------
    Model
        Network (CPU, evaluation mode), task and card.

    Raises
    ------
    DataError
        If a file is missing or cannot be read.
    VersionError
        If the weights are not those of the card, do not fit the network that the card describes, or give other
        results than when the card was written.
    """
    return load_network(path, Card, _built)


def _built(card: Card) -> Model:
    task = build_task(card.task, card.survey.psf_fwhm_px)
    return Model(build_network(card.network, task.values, card.input_px), task, card)


def load_network(path: str | Path, kind: type[AnyCard], build: Callable[[AnyCard], AnyModel]) -> AnyModel:
    """Read a network of any kind: with a card of `kind`, from which `build` makes it; see :func:`load_model`."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    card = read_card(folder / CARD, kind)
    weights = read_weights(folder / WEIGHTS, card.weights_sha256)
    with at_most(sum(value.numel() for value in weights.values()), folder / CARD):
        model = build(card)
    check_fit(folder / WEIGHTS, weights, model.network)
    model.network.load_state_dict(weights)
    model.network.eval()
    check_probe(folder / WEIGHTS, model.probe(), card.probe)
    return model


def kind_on_card(path: str | Path, part: str) -> str:
    """Return the `kind` of a `part` (network, task) of what a card describes; the rest of the card is not looked at.

    Raises
    ------
    DataError
        If the file is missing or no card.
    """
    try:
        return str(read_yaml(path, f"a model card with a {part}")[part]["kind"])
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(path, expected=f"a model card with a {part}", found=str(error)) from error


@contextmanager
def at_most(numbers: int, card: Path) -> Iterator[None]:
    """Refuse to build a network of far more numbers than its weights have, before it fills the memory."""
    built, most = 0, 2 * numbers + FEW_NUMBERS

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal built
        built += 0 if parameter is None else parameter.numel()
        if built > most:
            raise VersionError(
                card,
                expected=f"a network of {numbers} numbers, as the weights have",
                found="a far larger one",
                remedy="Keep weights and card together; take both from one training.",
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def read_weights(path: Path, checksum: str) -> dict[str, Tensor]:
    """Read weights that must have the card's checksum."""
    try:
        size = path.stat().st_size
        if size > LARGEST_WEIGHTS_BYTES:
            most = f"weights of at most {LARGEST_WEIGHTS_BYTES / 1e9:g} GB"
            raise DataError(path, expected=most, found=f"{size / 1e9:.1f} GB")
        found = sha256(path)
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(path, expected="weights as safetensors", found=str(error)) from error
    if found != checksum:
        raise VersionError(
            path,
            expected=f"the weights of the card, sha256 {checksum[:12]}…",
            found=f"sha256 {found[:12]}…",
            remedy="Keep weights and card together; take both from one training.",
        )
    return weights


def check_probe(path: Path, found: tuple[float, ...], expected: tuple[float, ...]) -> None:
    """Refuse weights that this code makes something else of than the code that they were trained with."""
    if not differs(found, expected):
        return
    raise VersionError(
        path,
        expected=f"{', '.join(f'{value:.5g}' for value in expected)} for the probe's images, as on the card",
        found=", ".join(f"{value:.5g}" for value in found),
        remedy="The code of the network or of its inputs has changed since: train the model again.",
    )


def check_fit(path: Path, weights: dict[str, Tensor], network: nn.Module) -> None:
    """Compare names and shapes of the weights with those of the network."""
    needed = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    differing = sorted(name for name in needed.keys() | given.keys() if needed.get(name) != given.get(name))
    if differing:
        first = differing[0]
        raise VersionError(
            path,
            expected=f"{first} of shape {needed.get(first, 'none')} for the network of the card",
            found=f"{given.get(first, 'none')} ({len(differing)} such tensors)",
            remedy="The network's code has changed since: train the model again.",
        )

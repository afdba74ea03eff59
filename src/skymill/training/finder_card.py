"""The card of a network that finds sources, and reading such a network back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from skymill.config.base import ConfigModel
from skymill.config.finder import DetectionTaskConfig, DetectionUnetConfig
from skymill.models.detection_unet import DetectionUnet
from skymill.tasks.detection import DetectionTask
from skymill.training.card import TrainingCard, kind_on_card, load_network
from skymill.training.probe import probe_finder

FORMAT = 1

INTENDED_USE = (
    "Finding the sources of images of the survey above, divided by the local rms of the background."
)
LIMITS = (
    "Trained on simulated patches only: artefacts, PSFs and densities that these do not hold are outside of its "
    "experience. detection_probability is the fraction of true objects among peaks of that strength on simulated "
    "patches; where sources are much rarer or more common than there, it is too high or too low."
)


class Calibration(ConfigModel):
    """How peaks become probabilities: ``1 / (1 + exp(-(slope * logit + intercept)))``; fitted on validation patches."""

    slope: float = Field(description="Factor of a peak's logit.")
    intercept: float = Field(description="Added to it.")
    least_probability: float = Field(ge=0, le=1, description="Probability that a candidate needs.")
    purity: float = Field(
        ge=0, le=1, description="Fraction of such peaks on the validation patches that are objects."
    )
    completeness: float = Field(
        ge=0, le=1, description="Fraction of the objects there that have such a peak."
    )
    max_distance_px: float = Field(
        gt=0, description="Peaks within this distance of an object were taken for it."
    )
    calibration_error: float = Field(
        ge=0,
        le=1,
        description="Mean difference between probability and fraction of objects, on the same patches.",
    )
    reliability: tuple[dict[str, float], ...] = Field(
        description="For bins of the probability from 0.05 on: its mean, the fraction of objects, number n of peaks."
    )


class FinderCard(TrainingCard):
    """What a network that finds sources is."""

    format: Literal[1] = Field(FORMAT, description="Version of this card's layout.")
    network: DetectionUnetConfig = Field(description="The network's options.")
    task: DetectionTaskConfig = Field(description="What it learned.")
    train_patches: int = Field(ge=1, description="Patches trained on.")
    validation_patches: int = Field(ge=1, description="Patches validated on, and calibrated with.")
    detection: Calibration = Field(description="From peaks to probabilities.")
    probe: tuple[float, ...] = Field(
        description="What it gives for the images of skymill.training.probe: four figures for each."
    )
    test: dict[str, str] = Field({}, description="Figures of test patches, with their 95 % intervals.")
    intended_use: str = Field(INTENDED_USE, description="What it is for.")
    limits: str = Field(LIMITS, description="What it is not for.")

    @property
    def examples(self) -> int:
        """Images in an epoch."""
        return self.train_patches


class FinderModel(NamedTuple):
    """A network that is ready to find sources.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU, in evaluation mode.
    task : DetectionTask
        Turns images into its input.
    card : FinderCard
        What it is.
    """

    network: DetectionUnet
    task: DetectionTask
    card: FinderCard

    def probe(self) -> tuple[float, ...]:
        """Return what the network gives for the probe's images (:mod:`skymill.training.probe`)."""
        return probe_finder(self.network, self.task, self.card.input_px)


def is_finder(card: str | Path) -> bool:
    """Whether a card is that of a network that finds sources.

    Raises
    ------
    DataError
        If the file is missing or no card.
    """
    return kind_on_card(card, "task") == DetectionTaskConfig().kind


def load_finder(path: str | Path) -> FinderModel:
    """Read a network that finds sources.

    Parameters
    ----------
    path : str or Path
        Its folder, or its card or weights within it.

    Raises
    ------
    DataError
        If a file is missing or cannot be read.
    VersionError
        If the weights are not those of the card, do not fit the network that it describes, or give other results than
        when the card was written.
    """
    return load_network(path, FinderCard, _built)


def _built(card: FinderCard) -> FinderModel:
    task = DetectionTask(card.task, card.survey.psf_fwhm_px)
    return FinderModel(DetectionUnet(card.network, task.channels), task, card)

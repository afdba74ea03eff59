"""Make what finds the candidates that a network measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from skymill.config.detect import CandidateConfig
from skymill.data.tile import Tile
from skymill.detectors.detector import Columns
from skymill.errors import ConfigError

if TYPE_CHECKING:
    from skymill.training.finder_card import FinderModel


class CandidateFinder(Protocol):
    """Finds the sources of a tile."""

    def find(self, tile: Tile) -> Columns:
        """Return the sources as columns in image units; see :data:`~skymill.detectors.detector.SOURCE_COLUMNS`."""

    def tools(self) -> dict[str, str]:
        """Return the versions of the programs and libraries that do the work."""


def build_finder(config: CandidateConfig, model: FinderModel | None, device: str = "auto") -> CandidateFinder:
    """Make the finder that `config` names; where it names none, the network if one is given, else sep.

    Parameters
    ----------
    config : CandidateConfig
        Which one, and how.
    model : FinderModel or None
        The network, where it is one.
    device : {'auto', 'cpu', 'gpu'}
        Where a network is computed.

    Raises
    ------
    ConfigError
        If a network is asked for and none is given, or the other way round.
    """
    names = [] if model is None else [model.card.name]
    detector = config.detector or config.settled(names).detector
    if (detector.kind == "network") != (model is not None):
        raise ConfigError(
            "candidates.detector",
            expected="the files of a detection model for kind network and none for any other kind",
            found=f"kind {detector.kind} {'with' if model else 'without'} a model",
        )
    # Imported where they are needed: a machine that runs networks need not have the baselines' libraries.
    if model is not None:
        from skymill.detectors.network import NetworkFinder

        return NetworkFinder(detector, model, device)
    from skymill.detectors.build import build_detector

    return build_detector(detector)

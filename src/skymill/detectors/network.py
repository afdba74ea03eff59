"""A network as the finder of candidates."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from skymill.config.detect import NetworkFinderConfig
from skymill.data.tile import Tile
from skymill.detectors.detector import Columns, as_columns, unusable
from skymill.detectors.moments import gaussian_forms
from skymill.detectors.passes import with_fwhm
from skymill.detectors.windowed import over_windows
from skymill.errors import ConfigError

if TYPE_CHECKING:
    from skymill.training.finder_card import FinderModel

STEP_PX = 64


class NetworkFinder:
    """Finds the sources of a tile with a network, window by window.

    Positions and probabilities are the network's. Forms and fluxes, which whoever measures the candidates replaces or
    starts from, are of adapting Gaussian windows (:mod:`skymill.detectors.moments`).

    Parameters
    ----------
    config : NetworkFinderConfig
        Windows and threshold.
    model : FinderModel
        Network, task and card.
    device : {'auto', 'cpu', 'gpu'}
        Where to compute.

    Raises
    ------
    ConfigError
        If the windows' margin is smaller than what the network looks at.
    """

    def __init__(self, config: NetworkFinderConfig, model: FinderModel, device: str = "auto") -> None:
        # Not at the top: stages without networks import this package and must not load torch.
        from skymill.inference.detection import Finder

        self.config, self.survey = config, model.card.survey
        self.finder = Finder(model, config.least_probability, device)
        if config.margin_px < self.finder.reach_px:
            raise ConfigError(
                "candidates.detector.margin_px",
                expected=f"at least {self.finder.reach_px}, which model {config.model} looks at",
                found=str(config.margin_px),
            )

    def tools(self) -> dict[str, str]:
        """Return the versions of the libraries that do the work."""
        return {"torch": metadata.version("torch")}

    def find(self, tile: Tile) -> Columns:
        """Return the sources of a tile as columns in image units, with ``detection_probability``."""
        return with_fwhm(over_windows(tile, self.config, self._extract, STEP_PX), tile)

    def _extract(self, tile: Tile) -> Columns:
        found = self.finder.find(tile)
        x, y = found["x"], found["y"]
        forms = gaussian_forms(tile.science, tile.rms, unusable(tile), x, y, tile.meta.psf_fwhm_px)
        columns = as_columns(x=x, y=y, flags=np.zeros(len(x), dtype=np.int64), **forms)
        return {**columns, "detection_probability": found["detection_probability"]}

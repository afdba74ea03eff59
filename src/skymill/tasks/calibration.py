"""Calibration: what a network's own errors are worth, learned on galaxies that it was not trained on.

The network gives a location m and a scale b of ln F. How (ln F - m) / b is really distributed is looked up among the
validation galaxies: its quantiles turn m and b into quantiles of the flux whose intervals hold what they promise,
whatever the shape of the distribution. That is split conformal prediction with a normalised residual (Papadopoulos
et al. 2002, ECML, LNCS 2430, 345; Lei et al. 2018, JASA 113, 1094, section 5.2); galaxies are grouped by b, so that
it holds for those that the network is sure of and for the others (Mondrian: Vovk et al. 2005, Algorithmic Learning in
a Random World, section 4.5).
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from skymill.config.base import ConfigModel
from skymill.metrics.distribution import LEVELS

NAMES = ("q025", "q16", "median", "q84", "q975")
"""Of the quantiles: the median, and the ends of the central 68 % and 95 %."""
MOST_GROUPS = 5
FEWEST_IN_GROUP = 200
"""With 200 galaxies the fraction below a quantile of level 0.025 is known to 0.011, of level 0.16 to 0.026."""


class Calibration(ConfigModel):
    """Quantiles of the normalised residuals (ln F - m) / b, by groups of b."""

    log_scale_edges: tuple[float, ...] = Field(description="Inner edges of the groups in ln b, increasing.")
    quantiles: tuple[tuple[float, ...], ...] = Field(
        description=f"For each group the quantiles of levels {', '.join(map(str, LEVELS))}."
    )
    galaxies: int = Field(ge=0, description="Galaxies that they are from; 0: theory, nothing calibrated yet.")

    @model_validator(mode="after")
    def _fits(self) -> Calibration:
        if len(self.quantiles) != len(self.log_scale_edges) + 1:
            raise ValueError(
                f"quantiles: expected {len(self.log_scale_edges) + 1} groups, found {len(self.quantiles)}"
            )
        if any(len(group) != len(LEVELS) or list(group) != sorted(group) for group in self.quantiles):
            raise ValueError(f"quantiles: expected {len(LEVELS)} increasing numbers in each group")
        return self

    def log_flux(self, location: Tensor, scale: Tensor) -> Tensor:
        """Return the quantiles of ln F at the levels of the catalogues, (…, 5), from locations and scales (…)."""
        edges = torch.tensor(self.log_scale_edges, dtype=torch.float32, device=scale.device)
        table = torch.tensor(self.quantiles, dtype=torch.float32, device=scale.device)
        group = torch.bucketize(torch.log(scale).contiguous(), edges)
        return location[..., None] + scale[..., None] * table[group]


def laplace() -> Calibration:
    """Return the quantiles of a Laplace distribution, which the networks' likelihood assumes."""
    levels = np.array(LEVELS)
    quantiles = -np.sign(levels - 0.5) * np.log(1 - 2 * np.abs(levels - 0.5))
    return Calibration(log_scale_edges=(), quantiles=(tuple(quantiles.tolist()),), galaxies=0)


def calibrate(location: Tensor, scale: Tensor, true: Tensor) -> Calibration:
    """Measure the calibration.

    Parameters
    ----------
    location, scale : Tensor (n,)
        What the network gives for ln F.
    true : Tensor (n,)
        The true ln F.

    Returns
    -------
    Calibration
        Groups of equal number in the scale; at least :data:`FEWEST_IN_GROUP` galaxies in each but for a single one.
    """
    residual = ((true - location) / scale).double().cpu().numpy()
    log_scale = torch.log(scale).double().cpu().numpy()
    groups = int(np.clip(len(residual) // FEWEST_IN_GROUP, 1, MOST_GROUPS))
    edges = np.unique(np.quantile(log_scale, np.arange(1, groups) / groups))
    member = np.searchsorted(edges, log_scale)
    # Several equal scales can leave a group without galaxies: its edge is then of no use.
    filled = [group for group in range(len(edges) + 1) if (member == group).any()]
    quantiles = [tuple(np.quantile(residual[member == group], LEVELS).tolist()) for group in filled]
    inner = [float(edges[group]) for group in filled[:-1]]
    return Calibration(log_scale_edges=tuple(inner), quantiles=tuple(quantiles), galaxies=len(residual))

"""The tasks, by name, and what each of them offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from skymill.models.inputs import StampInputs
from skymill.models.outputs import Outputs
from skymill.registry import Registry
from skymill.tasks.batch import Batch
from skymill.tasks.calibration import Calibration

if TYPE_CHECKING:
    from skymill.tasks.metrics import BlendMetrics


class Task(Protocol):
    """What is learned: stamps → input, prediction → loss, columns and metrics. All fluxes in background rms.

    Attributes
    ----------
    values : int
        Numbers that the network gives for each stamp.
    galaxies : int
        Galaxies of a blend whose true flux is needed: 1 (the central one) or 2 (and its companion).
    learns_masks : bool
        Whether the network's masks mean something.
    """

    values: int
    galaxies: int
    learns_masks: bool

    def inputs(self, image: Tensor, condition: Tensor) -> StampInputs:
        """Turn stamps (b, band, y, x) and what is known of them (b, 2) into the network's input."""

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the mean loss, a scalar."""

    def log_flux(self, outputs: Outputs, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return location and scale of ln F (b, g), not calibrated."""

    def columns(
        self, outputs: Outputs, image: Tensor, calibration: Calibration | None = None
    ) -> dict[str, Tensor]:
        """Turn outputs into columns (b,): flux, flux_err, flags (bits of Flag), …; fluxes in background rms."""

    def metrics(self) -> BlendMetrics:
        """Make the running figures of a validation."""


TASKS: Registry[Any] = Registry("task")
"""Each entry is called with its options (the class of that `kind` in :mod:`skymill.config.train`) and the FWHM of the
survey's PSF in pixels; it gives a :class:`Task`."""

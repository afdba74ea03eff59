"""The tasks, by name, and what each of them offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from skymill.models.outputs import Outputs
from skymill.registry import Registry
from skymill.tasks.batch import Batch

if TYPE_CHECKING:
    from skymill.tasks.metrics import BlendMetrics


class Task(Protocol):
    """What is learned: stamps → input, prediction → loss, columns and metrics. All fluxes in background rms.

    Attributes
    ----------
    channels, values : int
        Channels of the network's input and numbers that it gives for each stamp.
    galaxies : int
        Galaxies of a blend whose true flux is needed: 1 (the central one) or 2 (and its companion).
    needs_masks : bool
        Whether the true masks are needed.
    """

    channels: int
    values: int
    galaxies: int
    needs_masks: bool

    def inputs(self, image: Tensor) -> Tensor:
        """Turn stamps (b, band, y, x) into the network's input (b, channels, y, x)."""

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the mean loss, a scalar."""

    def columns(self, outputs: Outputs, image: Tensor) -> dict[str, Tensor]:
        """Turn outputs into columns (b,): flux, flux_err, flags (bits of Flag), …; fluxes in background rms."""

    def metrics(self) -> BlendMetrics:
        """Make the running figures of a validation."""


TASKS: Registry[Any] = Registry("task")
"""Each entry is called with its options (the class of that `kind` in :mod:`skymill.config.train`) and the FWHM of the
survey's PSF in pixels; it gives a :class:`Task`."""

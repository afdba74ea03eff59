"""Task `mask_flux`: masks of the central galaxy and of its neighbours, and the flux."""

from __future__ import annotations

from torch import Tensor

from skymill.catalog.flags import Flag
from skymill.errors import ConfigError
from skymill.models.outputs import Outputs
from skymill.tasks.batch import Batch
from skymill.tasks.flux import FluxTask
from skymill.tasks.losses import MASK_LOSSES
from skymill.tasks.registry import TASKS

LEAST_OVERLAP = 0.05
"""Share of the central galaxy's mask that a neighbour must cover for the flag BLENDED."""


@TASKS.register("mask_flux")
class MaskFluxTask(FluxTask):
    """The task `flux` with masks learned beside it; they also tell which galaxies are blended."""

    needs_masks = True

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Return the flux loss plus the weighted loss of the masks."""
        masks = MASK_LOSSES[self.config.mask_loss](self._logits(outputs), batch.masks)
        return super().loss(outputs, batch) + self.config.mask_weight * masks

    def columns(self, outputs: Outputs, image: Tensor) -> dict[str, Tensor]:
        """Return the columns of `flux`, with BLENDED set where the masks overlap by `LEAST_OVERLAP`."""
        columns = super().columns(outputs, image)
        central, neighbour = (self._logits(outputs) > 0).unbind(dim=1)  # (b, y, x) each
        overlap = (central & neighbour).sum(dim=(1, 2)) / central.sum(dim=(1, 2)).clamp(min=1)  # (b,)
        columns["flags"] |= (overlap >= LEAST_OVERLAP).int() * int(Flag.BLENDED)
        return columns

    def _logits(self, outputs: Outputs) -> Tensor:
        if outputs.masks is None:
            raise ConfigError(
                "network", expected="one that gives masks", found="none", remedy="Take 'unet' for mask_flux."
            )
        return outputs.masks.float()

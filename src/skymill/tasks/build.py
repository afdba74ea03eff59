"""Make a task from its options."""

from __future__ import annotations

from skymill.config.train import TaskConfig
from skymill.tasks import deblend, flux, mask_flux, pictures  # noqa: F401  (imported for their registration)
from skymill.tasks.registry import TASKS, Task


def build_task(config: TaskConfig, psf_fwhm_px: float) -> Task:
    """Make the task that `config` names.

    Parameters
    ----------
    config : TaskConfig
        Options, with the registered name as `kind`.
    psf_fwhm_px : float
        FWHM of the survey's PSF in pixels.

    Returns
    -------
    Task
        Ready for use on any device.
    """
    return TASKS[config.kind](config, psf_fwhm_px)

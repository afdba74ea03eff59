"""The section on restored images: figures of each network beside deconvolutions, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skymill.metrics.record import MetricRecord
from skymill.report.facts import Table
from skymill.report.generator_section import Sheet, png_uri
from skymill.report.inventory import Entry, Inventory
from skymill.report.scores import Scores

HEADER = (
    "Method",
    "PSNR (dB)",
    "Network ahead by (dB)",
    "PSNR of pictures (dB)",
    "SSIM",
    "Flux error (%)",
    "Size error (%)",
)
METRICS = {
    "image_psnr": ".1f",
    "psnr_gain": ".1f",
    "image_psnr_asinh": ".1f",
    "image_ssim": ".3f",
    "image_aperture_mape": ".1f",
    "image_size_error": ".1f",
}
"""What the columns behind the first show, and with how many digits."""
WORDS = {
    "degraded": "the degraded image itself",
    "richardson_lucy": "Richardson–Lucy, tuned",
    "richardson_lucy_asinh": "Richardson–Lucy, tuned for pictures",
    "richardson_lucy_no_sky": "Richardson–Lucy, tuned, without a pedestal",
    "richardson_lucy_30": "Richardson–Lucy, 30 iterations",
    "wiener": "Wiener, tuned",
    "unsupervised_wiener": "Wiener, unsupervised",
}
CAPTION = (
    "Galaxies at even steps of the rank of their peaks, on an asinh scale in background rms of the survey, with the "
    "PSNR of linear pixels; the worst of the degradations."
)
PREFIX = "restored:"


def restored_context(inventory: Inventory, scores: Scores) -> dict[str, Any]:
    """Return what the section shows: one entry for each network that was compared.

    Raises
    ------
    DataError
        If a picture cannot be read.
    """
    return {"restorers": [_restorer(entry, scores) for entry in inventory.of_stage("restore")]}


def _restorer(entry: Entry, scores: Scores) -> dict[str, Any]:
    records = [one for one in scores.records if one.dataset == PREFIX + entry.name]
    settings = dict.fromkeys(one.subset for one in records if one.metric == "image_psnr")
    blocks = [
        {"title": _title(setting), "table": _table(records, setting, entry.name)} for setting in settings
    ]
    return {"name": entry.name, "blocks": blocks, "sheet": Sheet(png_uri(entry, "restored.png"), CAPTION)}


def _title(setting: str) -> str:
    """Say in words what a subset such as ``psf:1.79/noise:10`` is."""
    psf, noise = (part.split(":")[1] for part in setting.split("/"))
    return f"PSF {psf} times as wide, noise {noise} times the survey's"


def _table(records: Sequence[MetricRecord], setting: str, network: str) -> Table:
    known = {(one.metric, one.detector, one.subset): one for one in records}
    methods = dict.fromkeys(one.detector for one in records if one.subset == setting)
    rows = []
    for method in sorted(methods, key=lambda name: name != network):
        ahead = ("psnr_gain", network, f"{setting}/{method}")
        keys = [ahead if metric == "psnr_gain" else (metric, method, setting) for metric in METRICS]
        cells = (_cell(known.get(key), METRICS[key[0]]) for key in keys)
        rows.append((f"{network}, the network" if method == network else WORDS.get(method, method), *cells))
    return Table(HEADER, rows, tuple(range(1, len(HEADER))))


def _cell(record: MetricRecord | None, digits: str) -> str:
    """Return a figure with its interval."""
    if record is None:
        return ""
    value, low, high = (format(one, digits) for one in (record.value, record.low, record.high))
    return f"{value} [{low}, {high}]"

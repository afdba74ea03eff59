"""Pictures of 8 bits: how like the true ones those are that a network draws of blends."""

from __future__ import annotations

from typing import Any

from skymill.errors import DataError
from skymill.report.facts import Table
from skymill.report.figures_training import read_card
from skymill.report.headline import value_text
from skymill.report.images import png_uri
from skymill.report.inventory import Entry, Inventory
from skymill.report.scores import Scores

PICTURES = "pictures:"
IMAGES = {
    "blend_picture": "no deblending",
    "picture": "",
    "noise_free_picture": "the true picture without its noise",
    "known_picture": "the best possible",
}
"""Prefix of the metrics, and what is compared with the true pictures; empty: what the network draws."""
GALAXIES = {"all": "both", "middle": "the one in the middle", "beside": "the other one"}
HEADER = ("Galaxies", "Picture", "n", "PSNR (dB)", "SSIM")


def pictures_context(inventory: Inventory, scores: Scores) -> list[dict[str, Any]]:
    """Return the table and the cases of each network that draws pictures, for each set of blends.

    Raises
    ------
    DataError
        If the cases or the network's card cannot be read.
    """
    return [_shown(entry, inventory, scores) for entry in inventory.of_stage("pictures")]


def _shown(entry: Entry, inventory: Inventory, scores: Scores) -> dict[str, Any]:
    dataset, name = f"{PICTURES}{entry.dataset}", entry.detector
    subsets = dict.fromkeys(record.subset for record in scores.records if record.dataset == dataset)
    rows = []
    for subset in subsets:
        for prefix, words in IMAGES.items():
            figures = [scores.get(f"{prefix}_{metric}", dataset, name, subset) for metric in ("psnr", "ssim")]
            count = max(record.n for record in figures if record)
            rows.append((_galaxies(subset), words or name, f"{count:,}", *map(value_text, figures)))
    try:
        cases = png_uri((entry.folder / "cases.png").read_bytes())
    except OSError as error:
        raise DataError(entry.folder / "cases.png", expected="a picture", found=str(error)) from error
    card = read_card(inventory.find("train", name).folder / "model.yaml")
    stretch = {end: f"{card[f'task.stretch.{end}_rms']:g}" for end in ("black", "white", "softening")}
    return {"name": name, "table": Table(HEADER, rows, (2, 3, 4)), "cases": cases, "stretch": stretch}


def _galaxies(subset: str) -> str:
    """Write a subset for people."""
    return GALAXIES.get(subset) or f"both, {subset.partition(':')[2].replace('-', '–')} px apart"

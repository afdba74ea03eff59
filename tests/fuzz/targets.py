"""What reads files of strangers, each with a small valid file and a reading to its end."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from mutations import spoil_file
from safetensors.numpy import save_file

from skymill.catalog.catalogue import Catalogue
from skymill.catalog.schema import load_schema
from skymill.config.detect import PLAIN, SepConfig
from skymill.config.ingest import IngestConfig, TileFacts, load_tiles
from skymill.config.run import load_config
from skymill.data.stamps import StampSet, write_shard
from skymill.data.survey import load_survey
from skymill.detectors.sep_extractor import Sep
from skymill.errors import SkymillError
from skymill.ingest.ingest import Sources, make_tile
from skymill.provenance.checksum import seal, sha256
from skymill.provenance.record import read_record
from skymill.training.card import load_model, read_weights

ROOT = Path(__file__).resolve().parents[2]
SIDE = 96
LONGEST_LINE = 2000
"""A refusal is one line that a person reads; the only longer ones list a configuration's keys, one a line."""


class Target(NamedTuple):
    """A kind of file.

    Parameters
    ----------
    make : callable
        Writes a valid file to a path.
    read : callable
        Reads such a file to its end and returns what it holds.
    how : str
        Which faults it gets: bytes, words, fits.
    is_checked : bool
        Whether a file that is read must hold what the valid one held: it has a checksum.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], Any]
    how: str
    is_checked: bool = False


def make_image(path: Path) -> None:
    """Nine stars on a sky of 1.56 +- 0.031 with a TAN WCS."""
    random = np.random.default_rng(1)
    image = random.normal(100, 2, (SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for y0 in (16, 48, 80):
        for x0 in (16, 48, 80):
            image += 500 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 4.5)
    header = fits.Header(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 48.0}
    )
    header.update({"CRPIX2": 48.0, "CD1_1": -0.396 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.396 / 3600})
    fits.writeto(path, (image / 64).astype(np.float32), header)


def find_sources(path: Path) -> Any:
    """Ingest an image and search it."""
    survey = load_survey("sdss_r", ROOT / "config/surveys")
    row = TileFacts(tile_id="t1", survey="sdss_r", zero_point_mag=22.5, gain_e_per_unit=100.0)
    config = IngestConfig(
        on_mismatch="go_on"
    )  # Further than by default: what the survey would refuse is searched, too.
    tile, _ = make_tile(row, survey, config, Sources(image=path, rms=None, mask=None))
    if not (
        np.isfinite(tile.science).all() and np.isfinite(tile.rms).all() and (np.asarray(tile.rms) > 0).all()
    ):
        raise AssertionError("a tile with pixels that are no numbers or noise that is not positive")
    columns = Sep(SepConfig(kind="sep")).extract(tile, PLAIN)
    return len(columns["x"])


def make_tiles(path: Path) -> None:
    path.write_text((ROOT / "config/sdss_tiles.tsv").read_text(encoding="utf-8"), encoding="utf-8")


def make_config(path: Path) -> None:
    path.write_text((ROOT / "config/sdss.yaml").read_text(encoding="utf-8"), encoding="utf-8")


def make_card(path: Path) -> None:
    path.write_text((ROOT / "models/hst_f160w/cnn/model.yaml").read_text(encoding="utf-8"), encoding="utf-8")


def load_by_card(path: Path) -> Any:
    """Build the network of a card with the weights of the shipped one."""
    folder = path.parent / "model"
    folder.mkdir(exist_ok=True)
    weights = folder / "weights.safetensors"
    if not weights.exists():
        weights.symlink_to(ROOT / "models/hst_f160w/cnn/weights.safetensors")
    (folder / "model.yaml").write_bytes(path.read_bytes())
    return load_model(folder).card.name


def make_weights(path: Path) -> None:
    save_file(
        {"a": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "b": np.ones(5, dtype=np.float16)}, path
    )


def read_any_weights(path: Path) -> Any:
    """Read weights whose card has the damaged file's checksum: only the header can tell."""
    return {name: tuple(value.shape) for name, value in read_weights(path, sha256(path)).items()}


def read_true_weights(path: Path) -> Any:
    """Read weights whose card has the whole file's checksum."""
    whole = path.parent / "whole.safetensors"
    if not whole.exists():
        make_weights(whole)
    return {name: value.tolist() for name, value in read_weights(path, sha256(whole)).items()}


def make_stamps(path: Path) -> None:
    random = np.random.default_rng(1)
    layers = {
        "image": random.normal(0, 1, (6, 1, 16, 16)).astype(np.float32),
        "mask": np.ones((6, 1, 16, 16), np.uint8),
    }
    write_shard(path, layers, 0, {"pixel_scale_arcsec": 0.4, "survey": "sdss_r"})


def read_stamps(path: Path) -> Any:
    with StampSet.open(path) as stamps:
        return {name: stamps.read(name, slice(0, stamps.n)).tolist() for name in stamps.layers}


def make_catalogue(path: Path) -> None:
    columns = load_schema("sources").columns.items()
    values = {name: [(column.allowed or (1,))[0]] * 20 for name, column in columns if not column.optional}
    Catalogue.from_columns("sources", **values).write(path)


def read_catalogue(path: Path) -> Any:
    found = Catalogue.read(path, "sources")
    return {name: np.asarray(found[name]).tolist() for name in found.table.colnames}


def make_record(path: Path) -> None:
    record = {
        "stage": "ingest",
        "name": "t1",
        "revision": 1,
        "version": "0123456789",
        "params": {"a": [1, 2.5]},
        "parents": {},
        "outputs": {"tile.fits": "0" * 64},
        "inputs": {},
        "rows": 1,
    }
    path.write_text(seal(json.dumps(record, indent=1)), encoding="utf-8")


def read_any_record(path: Path) -> Any:
    folder = path.parent / "artifact"
    folder.mkdir(exist_ok=True)
    (folder / "provenance.json").write_bytes(path.read_bytes())
    return read_record(folder)


TARGETS = {
    "image": Target(make_image, find_sources, "fits"),
    "tiles": Target(make_tiles, lambda path: len(load_tiles(path)), "words"),
    "config": Target(make_config, lambda path: load_config(path).recipe_params(), "words"),
    "card": Target(make_card, load_by_card, "words"),
    "weights": Target(make_weights, read_true_weights, "bytes", is_checked=True),
    "weights_header": Target(make_weights, read_any_weights, "bytes"),
    "stamps": Target(make_stamps, read_stamps, "bytes", is_checked=True),
    "catalogue": Target(make_catalogue, read_catalogue, "bytes", is_checked=True),
    "record": Target(make_record, read_any_record, "words", is_checked=True),
}


def outcome(name: str, seed: int, folder: Path) -> str:
    """Return what becomes of a target's file with the fault of a number: valid, refused or what is wrong.

    Parameters
    ----------
    name : str
        A key of :data:`TARGETS`.
    seed : int
        Number of the fault.
    folder : Path
        Where the files are made; may be used again.

    Returns
    -------
    str
        ``valid``, ``refused``, or a sentence that begins with ``different`` (a value changed in silence), ``long``
        (a refusal of more than a line) or ``error`` (an exception that is not skymill's).
    """
    target, whole, path = TARGETS[name], folder / f"{name}.whole", folder / f"{name}.spoiled"
    if not whole.exists():
        target.make(whole)
    spoil_file(whole, path, seed, target.how)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = target.read(path)
    except SkymillError as error:
        lines = str(error).splitlines()
        is_short = max(map(len, lines)) <= LONGEST_LINE and (len(lines) == 1 or name == "config")
        return "refused" if is_short else f"long: {str(error)[:300]!r}"
    except Exception as error:  # noqa: BLE001 - whatever it is: that is what is looked for
        return f"error: {type(error).__name__}: {str(error)[:300]!r}"
    if target.is_checked and repr(found) != repr(target.read(whole)):
        return "different: other values than those of the whole file, and no refusal"
    return "valid"

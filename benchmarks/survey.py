"""What the survey catalogue of many overlapping tiles costs: processor time and memory by number of tiles.

    PYTHONPATH=src python benchmarks/survey.py
    PYTHONPATH=src python benchmarks/survey.py --tiles 100 --rows-per-file 5000

Tiles of a grid share a fifth with each neighbour and have sources at random places. The stage runs in a process of its
own; its processor time and peak memory are the kernel's, its start included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from skymill.catalog.catalogue import Catalogue
from skymill.data.tile import Tile, TileMeta
from skymill.provenance.recipe import Recipe
from skymill.provenance.record import read_record
from skymill.survey.catalogue import survey_catalogue

SIDE_PX, STEP_PX, SCALE_ARCSEC = 100, 80, 0.4
PER_TILE = 500
COLUMNS = ("x", "y", "ra", "dec", "flux", "flux_err", "mag", "mag_err", "snr")


def write_tile(folder: Path, number: int, per_row: int) -> dict[str, str]:
    """Write one tile of the grid and its catalogue, and describe them as the stage wants it."""
    name = f"t{number:06d}"
    step_deg = STEP_PX * SCALE_ARCSEC / 3600
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [10 + step_deg * (number % per_row), step_deg * (number // per_row)]
    wcs.wcs.crpix = [(SIDE_PX + 1) / 2] * 2
    wcs.wcs.cdelt = [-SCALE_ARCSEC / 3600, SCALE_ARCSEC / 3600]
    empty = np.zeros((SIDE_PX, SIDE_PX), dtype=np.float32)
    meta = TileMeta(name, "sdss_r", "r", SCALE_ARCSEC, 22.5, 1.0, None, 3.0)
    tile = Tile(empty, empty + 1, empty.astype(np.uint8), wcs, meta)
    x, y = np.random.default_rng(number).uniform(-0.5, SIDE_PX - 0.5, (2, PER_TILE))
    values = dict.fromkeys(COLUMNS, np.ones(PER_TILE)) | dict(zip(("ra", "dec"), tile.sky(x, y), strict=True))
    numbers = {"object_id": np.arange(PER_TILE), "flags": np.zeros(PER_TILE, dtype=int)}
    numbers |= {name: np.full(PER_TILE, -1) for name in ("stamp_id", "galaxy_id")}
    values |= {"x": x, "y": y, "is_primary": np.ones(PER_TILE, dtype=bool), **numbers}
    entry = {"tile_id": name, "tile": f"{folder}/{name}.fits", "catalogue": f"{folder}/{name}.parquet"}
    tile.write(entry["tile"])
    Catalogue.from_columns("measurement", {}, **values).write(entry["catalogue"])
    return entry


def measure(entries: list[dict[str, str]], rows_per_file: int, result: multiprocessing.SimpleQueue) -> None:
    """Run the stage and put rows, processor time (s) and peak memory (MB) of this process into `result`."""
    params = {"survey_catalogue": {"rows_per_file": rows_per_file}}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        survey_catalogue(
            Recipe("survey", "sep", params).to_dict(), entries, out / "parts", out / "index.json"
        )
        rows = read_record(out)["rows"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    result.put((rows, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiles", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rows-per-file", type=int, nargs="+", default=[1_000_000, 20_000])
    arguments = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")
    print("| tiles | sources kept | rows per file | processor (s) | per tile (ms) | peak memory (MB) |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.tiles:
            per_row = int(np.ceil(np.sqrt(count)))
            entries = [write_tile(Path(folder), number, per_row) for number in range(count)]
            for size in arguments.rows_per_file:
                result = fresh.SimpleQueue()
                process = fresh.Process(target=measure, args=(entries, size, result))
                process.start()
                process.join()
                rows, seconds, memory = result.get()
                cells = (
                    f"{count:,}",
                    f"{rows:,}",
                    f"{size:,}",
                    f"{seconds:.1f}",
                    f"{1e3 * seconds / count:.0f}",
                )
                print(f"| {' | '.join(cells)} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()

"""SExtractor, called as the program that users know."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from skymill.catalog.flags import Flag
from skymill.config.detect import SOURCE_EXTRACTOR_PROGRAMS, Pass, SourceExtractorConfig
from skymill.data.tile import Tile
from skymill.detectors import source_extractor_files as files
from skymill.detectors.detector import EXTRACTORS, Columns, as_columns, no_sources, unusable
from skymill.errors import ExternalToolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

REMEDY = "Install it (Debian, Ubuntu: apt install source-extractor) or leave the detector out of the configuration."
VERSION = re.compile(r"version (\d+(?:\.\d+)+)", re.IGNORECASE)

NO_WEIGHT_RMS = 1e16
"""Noise of unusable pixels: its square is beyond what SExtractor takes for infinite (1e30)."""
ROWS_AT_ONCE = 1024

LIMITS = 32 | 64 | 128
"""Bits of FLAGS that only SExtractor can know: its buffer did not hold the isophote, or its memory was full when
deblending or extracting. The others (neighbours, saturation, edges) skymill finds out for all detectors alike."""


def find_program() -> str | None:
    """Return the path of SExtractor, or None if it is not installed."""
    return next((path for name in SOURCE_EXTRACTOR_PROGRAMS if (path := shutil.which(name))), None)


@cache
def program_version(program: str) -> str:
    """Return the version that a program says it has.

    Raises
    ------
    ExternalToolError
        If it cannot be run or is not SExtractor (other programs are called ``sex``, too).
    """
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExternalToolError(program, expected="SExtractor", found=str(error), remedy=REMEDY) from error
    said = f"{done.stdout}{done.stderr}".strip()
    match = VERSION.search(said)
    if match is None or "extractor" not in said.lower():
        raise ExternalToolError(
            program, expected="SExtractor", found=f"a program that says {said[:200]!r}", remedy=REMEDY
        )
    return match.group(1)


@EXTRACTORS.register("source_extractor")
class SourceExtractor:
    """SExtractor (Bertin & Arnouts 1996, A&AS 117, 393) on tiles.

    Parameters
    ----------
    config : SourceExtractorConfig
        Its settings.

    Raises
    ------
    ExternalToolError
        If the program is not installed.
    """

    def __init__(self, config: SourceExtractorConfig) -> None:
        self.config = config
        program = find_program()
        if program is None:
            raise ExternalToolError(
                "source-extractor",
                expected=f"a program called {', '.join(SOURCE_EXTRACTOR_PROGRAMS)}",
                found="none",
                remedy=REMEDY,
            )
        self.program = program

    def tools(self) -> dict[str, str]:
        """Return the program's version."""
        return {"source-extractor": program_version(self.program)}

    def extract(self, tile: Tile, settings: Pass) -> Columns:
        """Run the program once, in a folder of its own under fixed names, on one thread.

        Parameters
        ----------
        tile : Tile
            The tile; written to temporary files in pieces, so that memory stays flat.
        settings : Pass
            Thresholds.

        Returns
        -------
        dict of str to ndarray
            Columns of :data:`~skymill.detectors.detector.SOURCE_COLUMNS`.

        Raises
        ------
        ExternalToolError
            If the program fails; with what it wrote to stderr.
        """
        with tempfile.TemporaryDirectory(prefix="skymill-") as name:
            folder = Path(name)
            _write_image(folder / files.SCIENCE, tile, lambda part: part.science)
            _write_image(folder / files.RMS, tile, _weighting_rms)
            files.write_files(folder, files.settings(self.config, settings, tile.meta, tile.shape))
            self._run(folder)
            return _read_catalogue(folder / files.CATALOGUE)

    def _run(self, folder: Path) -> None:
        # Its messages are read below: they must not be translated, nor its numbers written with commas.
        environment = {**os.environ, "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
        command = [self.program, files.SCIENCE, "-c", files.CONFIG]
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode or not (folder / files.CATALOGUE).is_file():
            raise ExternalToolError(
                " ".join(command),
                expected="a catalogue and status 0",
                found=f"status {done.returncode} and on stderr: {done.stderr.strip()[-2000:] or 'nothing'}",
                remedy="Check the memory and the space in the temporary folder (TMPDIR).",
            )
        for line in done.stderr.splitlines():
            if "WARNING" in line:
                log.warning("source-extractor: %s", line.strip())


def _weighting_rms(part: Tile) -> NDArray[np.float32]:
    return np.where(unusable(part), np.float32(NO_WEIGHT_RMS), part.rms)


def _write_image(path: Path, tile: Tile, layer: Callable[[Tile], NDArray[np.float32]]) -> None:
    """Write one image of a tile as a plain FITS file, a band of rows after the other."""
    height, width = tile.shape
    header = fits.Header(
        [("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", height)]
    )
    stream = fits.StreamingHDU(path, header)
    for start in range(0, height, ROWS_AT_ONCE):
        part = tile.window(start, min(start + ROWS_AT_ONCE, height), 0, width)
        stream.write(np.ascontiguousarray(layer(part), dtype=np.float32))
        tile.release()
    stream.close()


def _read_catalogue(path: Path) -> Columns:
    """Read SExtractor's catalogue; its first pixel's centre is (1, 1), skymill's (0, 0)."""
    with fits.open(path) as hdus:
        if len(hdus) < 2 or not hdus[1].header.get("NAXIS2"):
            return no_sources()
        table = hdus[1].data
        return as_columns(
            x=table["X_IMAGE"].astype(np.float64) - 1.0,
            y=table["Y_IMAGE"].astype(np.float64) - 1.0,
            flux=table["FLUX_AUTO"],
            flux_err=table["FLUXERR_AUTO"],
            a=table["A_IMAGE"],
            b=table["B_IMAGE"],
            theta=table["THETA_IMAGE"],
            flux_radius=table["FLUX_RADIUS"],
            kron_radius=table["KRON_RADIUS"],
            flags=translate_flags(table["FLAGS"].astype(np.int64)),
        )


def translate_flags(flags: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn the limits in SExtractor's FLAGS into skymill's bit."""
    return np.where(flags & LIMITS, int(Flag.TRUNCATED), 0)

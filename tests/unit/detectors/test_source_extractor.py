from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from skymill.catalog.flags import Flag
from skymill.config.detect import COLD, HOT, PLAIN, SourceExtractorConfig
from skymill.detectors import source_extractor as module
from skymill.detectors import source_extractor_files as files
from skymill.detectors.source_extractor import SourceExtractor, find_program, program_version, translate_flags
from skymill.errors import ExternalToolError

CONFIG = SourceExtractorConfig(kind="source_extractor")
needs_program = pytest.mark.skipif(find_program() is None, reason="source-extractor is not installed")


@pytest.fixture
def program(tmp_path: Path, monkeypatch):
    """Put a program of one's own first on the PATH."""

    def install(script: str, name: str = "source-extractor") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        program_version.cache_clear()
        return path

    yield install
    program_version.cache_clear()


def test_a_missing_program_is_said_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert find_program() is None
    with pytest.raises(ExternalToolError, match="apt install source-extractor"):
        SourceExtractor(CONFIG)


def test_a_program_that_fails_is_an_error_with_what_it_said(program, field):
    program("echo '> *Error*: not enough memory' >&2; exit 3")

    with pytest.raises(ExternalToolError, match=r"found status 3 and on stderr: .*not enough memory"):
        SourceExtractor(CONFIG).extract(field.tile, PLAIN)


def test_a_program_that_writes_no_catalogue_has_failed(program, field):
    program("exit 0")

    with pytest.raises(ExternalToolError, match="expected a catalogue and status 0, found status 0"):
        SourceExtractor(CONFIG).extract(field.tile, PLAIN)


def test_another_program_of_that_name_is_refused(program):
    path = program("echo 'A fine tool, version 2.0'")

    with pytest.raises(ExternalToolError, match="found a program that says 'A fine tool"):
        program_version(str(path))


def test_the_version_is_read(program):
    path = program("echo 'Source Extractor version 2.28.2 (2023-01-01)'")

    assert SourceExtractor(CONFIG).program == str(path)
    assert SourceExtractor(CONFIG).tools() == {"source-extractor": "2.28.2"}


def test_it_is_run_without_a_shell_in_a_folder_of_its_own(field, monkeypatch):
    runs = []

    def run(command, **options):
        runs.append((command, options, sorted(path.name for path in Path(options["cwd"]).iterdir())))
        return subprocess.CompletedProcess(command, 1, "", "stopped")

    monkeypatch.setattr(module, "find_program", lambda: "/usr/bin/source-extractor")
    monkeypatch.setattr(module.subprocess, "run", run)
    with pytest.raises(ExternalToolError):
        SourceExtractor(CONFIG).extract(field.tile, PLAIN)
    ((command, options, present),) = runs

    assert command == ["/usr/bin/source-extractor", "science.fits", "-c", "skymill.sex"]
    assert not options.get("shell")
    assert present == ["pyramid.conv", "rms.fits", "science.fits", "skymill.param", "skymill.sex"]
    assert not Path(options["cwd"]).exists()


def test_the_parameter_file_says_what_the_pass_and_the_tile_are(field, tmp_path):
    keys = files.settings(CONFIG, COLD, field.tile.meta, (4000, 5000))
    files.write_files(tmp_path, keys)
    written = dict(line.split(maxsplit=1) for line in (tmp_path / files.CONFIG).read_text().splitlines())

    assert (written["DETECT_THRESH"], written["DETECT_MINAREA"]) == ("5.0", "10")
    assert (written["DEBLEND_NTHRESH"], written["DEBLEND_MINCONT"]) == ("64", "0.01")
    assert (written["BACK_TYPE"], written["WEIGHT_TYPE"], written["NTHREADS"]) == ("MANUAL", "MAP_RMS", "1")
    assert (written["MAG_ZEROPOINT"], written["GAIN"]) == ("25.0", "100.0")
    assert int(written["MEMORY_PIXSTACK"]) == 4_000_000
    assert (tmp_path / files.PARAMETERS).read_text().split() == list(files.OUTPUT_COLUMNS)


@needs_program
def test_every_key_is_one_that_the_program_knows(field):
    known = subprocess.run([find_program(), "-dd"], capture_output=True, text=True, check=True).stdout
    keys = files.settings(CONFIG, HOT, field.tile.meta, field.tile.shape)
    parameters = subprocess.run([find_program(), "-dp"], capture_output=True, text=True, check=True).stdout

    assert not [key for key in keys if key not in known]
    assert not [name for name in files.OUTPUT_COLUMNS if f"#{name} " not in parameters]


def test_only_limits_of_its_own_are_taken_from_its_flags():
    flags = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 4 | 64])

    assert translate_flags(flags).tolist() == [0] * 6 + [Flag.TRUNCATED] * 4

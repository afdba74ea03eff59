"""The benchmark of transfer runs, goes on where it was stopped, and trains what it says."""

import importlib.util
import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import load_file

from skymill.catalog.catalogue import Catalogue

ROOT = Path(__file__).resolve().parents[2]
WAYS = ["from random weights", "all stages free", "first 4 stages kept"]


def benchmark() -> ModuleType:
    """Load the benchmark into this process, which has the libraries loaded."""
    specification = importlib.util.spec_from_file_location("transfer", ROOT / "benchmarks/transfer.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def transfer(out: Path, *more: str) -> str:
    """Run the benchmark and return what it prints."""
    with redirect_stdout(StringIO()) as printed:
        benchmark().main(["--quick", "--out", str(out), *more])
    return printed.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """Folder and output of a quick run."""
    out = tmp_path_factory.mktemp("transfer")
    return out, transfer(out)


def test_every_way_is_measured_for_every_number_of_galaxies(made):
    out, printed = made
    rows = json.loads((out / "transfer.json").read_text())["rows"]

    found = [(row["galaxies"], row["way"]) for row in rows]
    assert found == [(0, "as it is"), *((30, way) for way in WAYS)]
    for row in rows:
        for figure in row["flux_mape"].values():
            assert 0 < figure["low"] <= figure["value"] <= figure["high"]
    value = "{value:.1f} [{low:.1f}, {high:.1f}]".format(**rows[-1]["flux_mape"]["bright"])
    assert f"| {value} |" in printed.strip().splitlines()[-1]
    assert (out / "transfer.png").stat().st_size > 10_000


def test_a_galaxy_without_a_flux_is_counted_and_left_out(made, tmp_path, monkeypatch):
    out, module = made[0], benchmark()
    blends = {name: out / "blends" / file for name, file in
              {"stamps": "stamps.h5", "truth": "truth.parquet"}.items()}  # fmt: skip
    found = Catalogue.read(
        out / "models" / "30_all_stages_free" / "measured" / "catalogue.parquet", "measurement"
    )
    true = Catalogue.read(blends["truth"], "blends")["flux"]
    found.table["flux"] = 1.1 * true
    found.table["flux"][0] = np.nan
    monkeypatch.setattr(module, "evaluate_model", lambda *given: found.write(given[-1]))
    figure = module.measure({"seed": 1, "target": "sdss_r"}, Path("m"), blends, tmp_path)["all"]

    assert figure["value"] == pytest.approx(10.0)
    assert (figure["n"], figure["all"]) == (len(true) - 1, len(true))
    assert module.text(figure) == "10.0 [10.0, 10.0], 1 failed"


def test_stages_that_are_kept_have_the_weights_of_the_source(made):
    source = load_file(ROOT / "models/hst_f160w/unet/weights.safetensors")
    changed = {}
    for way in WAYS:
        weights = load_file(made[0] / "models" / f"30_{way.replace(' ', '_')}" / "weights.safetensors")
        changed[way] = {name for name, value in weights.items() if (value != source[name]).any()}

    encoder = {name for name in source if name.startswith(("first.", "down."))}
    decoder = {name for name in source if name.startswith(("up.", "maps."))}
    assert encoder and not changed[WAYS[2]] & encoder
    assert changed[WAYS[1]] & encoder and changed[WAYS[2]] & decoder
    assert len(changed[WAYS[0]]) == max(map(len, changed.values()))


def test_a_run_that_was_stopped_goes_on_and_other_settings_need_another_folder(made):
    out = made[0]
    path = out / "transfer.json"
    before = path.read_text()
    values = json.loads(before)
    last = values["rows"].pop()
    kept = values["rows"][0] | {"seconds": -1.0}
    path.write_text(json.dumps({**values, "rows": [kept, *values["rows"][1:]]}))
    transfer(out)
    rows = json.loads(path.read_text())["rows"]
    path.write_text(before)

    assert rows[0]["seconds"] == -1.0
    assert rows[-1]["flux_mape"] == last["flux_mape"]
    with pytest.raises(SystemExit, match="other settings"):
        transfer(out, "--seed", "2")

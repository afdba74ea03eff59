"""Two processes on this machine's cores learn what one learns."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from skymill.errors import ConfigError, TrainingError
from skymill.training import loop, processes
from skymill.training.history import read_history
from skymill.training.loop import BlendModule
from skymill.training.processes import Processes
from skymill.training.products import CHECKPOINTS
from skymill.training.train import train_epochs, train_model

CPU = {"device": "cpu", "threads": 1, "progress": "off"}
TWO = Processes(per_node=2)

# A worker of which number 1 dies of SIGKILL in the middle of the second epoch.
DYING = """
import os, signal, sys
from skymill.training import loop, worker

step = loop.BlendModule.training_step

def dying_step(self, windows, batch_index):
    if self.current_epoch == 1 and batch_index == 2 and os.environ["LOCAL_RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, windows, batch_index)

loop.BlendModule.training_step = dying_step
sys.exit(worker.main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def recipe(make_recipe: Callable) -> dict:
    # 41 blends in batches of 8: the last one has a blend for one process only. The masks are not learned.
    recipe = make_recipe(
        "unet", "mask_flux", batch_size=8, learning_rate=0.003, max_epochs=3, blend={"n_train": 41}
    )
    recipe["params"]["model"]["task"]["mask_weight"] = 0.0
    recipe["params"]["model"]["training"]["augment"]["psf_fwhm_ratio"] = [1.0, 1.5]
    return recipe


@pytest.fixture(scope="module")
def alone(recipe: dict, files: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train_model(recipe, **files, folder=folder, execution=CPU)
    return folder


def assert_same(found: Path, wanted: Path) -> None:
    """Histories and weights are equal but for rounding."""
    for one, other in zip(*(read_history(folder / "history.csv") for folder in (found, wanted)), strict=True):
        assert {**one, "seconds": 0} == pytest.approx({**other, "seconds": 0}, rel=1e-5)
    first, second = (load_file(folder / "weights.safetensors") for folder in (found, wanted))
    assert first.keys() == second.keys()
    off = np.concatenate([np.abs(values - second[name]).ravel() for name, values in first.items()])
    # Adam makes a whole step of 0.003 of a gradient that is nothing but rounding.
    assert np.mean(off > 1e-6) < 0.01 and off.max() < 0.01


@pytest.mark.slow
def test_two_go_on_for_one(recipe, files, alone, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        step = BlendModule.training_step
        patch.setattr(
            BlendModule,
            "training_step",
            lambda self, *given: step(self, *given) if self.current_epoch < 1 else 1 / 0,
        )
        with pytest.raises(ZeroDivisionError):
            train_model(recipe, **files, folder=tmp_path, execution=CPU)
    with caplog.at_level("INFO"):
        train_model(recipe, **files, folder=tmp_path, execution=CPU, processes=TWO)
    cards = [yaml.safe_load((folder / "model.yaml").read_text()) for folder in (alone, tmp_path)]

    assert caplog.text.count("going on after epoch 1 of 3") == 1
    assert_same(tmp_path, alone)
    assert [card["processes"] for card in cards] == [1, 2]
    assert [card["device"] for card in cards] == ["cpu, 1 thread", "2 × cpu, 1 thread"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in alone.iterdir())


@pytest.mark.slow
def test_one_goes_on_for_two_of_which_one_died(recipe, files, alone, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(processes, "WORKER", ("-c", DYING))
    with pytest.raises(TrainingError, match=f"found status -{int(signal.SIGKILL)} of number 1"):
        train_model(recipe, **files, folder=tmp_path, execution=CPU, processes=TWO)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINTS]

    with caplog.at_level("INFO"):
        train_model(recipe, **files, folder=tmp_path, execution=CPU)
    assert "going on after epoch 1 of 3" in caplog.text
    assert_same(tmp_path, alone)


def test_what_a_failed_process_says_is_told(tmp_path, monkeypatch, caplog):
    says = "import os, sys, time; time.sleep(60) if os.environ['LOCAL_RANK'] == '0' else sys.exit('no such galaxy')"
    monkeypatch.setattr(processes, "WORKER", ("-c", says))
    with (
        caplog.at_level("INFO"),
        pytest.raises(TrainingError, match="found status 1 of number 1: no such galaxy"),
    ):
        processes.run_processes(TWO, {}, tmp_path, 1)
    assert "no such galaxy" in caplog.text


def test_a_process_ends_with_the_one_that_started_it(repository):
    """Its input is closed then."""
    code = (
        "import threading, time\nfrom skymill.training import worker\n"
        "threading.Thread(target=worker._end_with_parent, daemon=True).start()\ntime.sleep(60)\nprint('late')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        input="",
        capture_output=True,
        text=True,
        cwd=repository / "src",
        timeout=50,
    )

    assert (ended.returncode, ended.stdout) == (1, "")


@pytest.mark.parametrize("count", [2, 9])
def test_there_are_at_most_as_many_processes_as_blends_in_a_batch(
    make_recipe, files, tmp_path, monkeypatch, count
):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(loop, "_trainer", lambda *_: 1 / 0)
    refused = pytest.raises(ConfigError, match="expected at most the 8 blends of a batch, found 9")
    with refused if count == 9 else pytest.raises(ZeroDivisionError):
        train_epochs(make_recipe(batch_size=8), files, tmp_path, CPU, Processes(count))


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, Processes()),
        ({"tasks_per_node": 4}, Processes(4)),
        ({"tasks_per_node": 4, "nodes": 2, "mpi": "srun"}, Processes(4, 2, slurm=True)),
        ({"tasks": 2, "nodes": 2, "mpi": "srun"}, Processes(1, 2, slurm=True)),
        ({"tasks": 6, "nodes": 2, "mpi": "srun"}, Processes(3, 2, slurm=True)),
    ],
)
def test_processes_are_a_resource_of_the_job(resources, wanted):
    assert Processes.of(resources) == wanted


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"tasks": 3, "nodes": 2, "mpi": "srun"}, "expected a multiple of the 2 nodes, found 3"),
        ({"tasks_per_node": 2, "nodes": 2}, "expected 1 without srun, found 2"),
        ({"tasks": 2, "mpi": "mpirun"}, "expected srun, found mpirun"),
        ({"tasks_per_node": -1}, "expected at least 1, found -1"),
    ],
)
def test_resources_that_do_not_go_together_are_refused(resources, message):
    with pytest.raises(ConfigError, match=message):
        Processes.of(resources)


def test_srun_starts_one_process_a_task(monkeypatch):
    several = Processes(4, 2, slurm=True)
    monkeypatch.setenv("SLURM_PROCID", "5")

    command = several.command(Path("call.json"), 3)
    assert command[0] == "srun" and command[-1] == "call.json"
    assert {"--nodes=2", "--ntasks=8", "--ntasks-per-node=4", "--cpus-per-task=3"} <= set(command)
    assert (several.share().rank, several.share().count) == (5, 8)

"""One core and two, one shard and four, fresh and killed-then-resumed: the same bits."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from skymill.data.stamps import StampSet
from skymill.provenance.record import sha256

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

SETS = ["simulate/galaxies", "blend/test"]


def products(workflow):
    """Checksums of the truth catalogues, and the arrays of the stamps."""
    truths, arrays = {}, {}
    for name in SETS:
        (folder,) = (workflow.folder / "results/artifacts" / name).iterdir()
        truths[name] = sha256(folder / "truth.parquet")
        with StampSet.open(folder / "stamps.h5") as stamps:
            arrays[name] = {layer: stamps.read(layer, slice(None)) for layer in stamps.layers}
    return truths, arrays


def assert_same(first, second):
    assert first[0] == second[0]
    for name in SETS:
        assert first[1][name].keys() == second[1][name].keys()
        for layer, values in first[1][name].items():
            np.testing.assert_array_equal(values, second[1][name][layer])


def shards(workflow, name):
    (folder,) = (workflow.folder / "results/artifacts" / name).iterdir()
    return len(list((folder / "shards").glob("*.h5")))


def weights(workflow):
    """The arrays of each network."""
    files = (workflow.folder / "results/artifacts/train").glob("*/*/weights.safetensors")
    return {file.parents[1].name: load_file(file) for file in files}


def test_cores_and_shards_change_nothing(finished, make_workflow):
    population = yaml.safe_load((finished.folder / "config.yaml").read_text())["populations"]["galaxies"]
    one = make_workflow(
        "one-core",
        populations={"galaxies": {**population, "shard_size": 1000}},
        blend={"shard_size": 1000},
    )
    done = one.run("blend", "train", cores=1)
    assert done.returncode == 0, done.stdout
    assert [shards(finished, name) for name in SETS] == [4, 2]
    assert [shards(one, name) for name in SETS] == [1, 1]
    assert_same(products(finished), products(one))
    # Blends to train on are composed from the same galaxies, however they were sharded.
    first, second = (weights(workflow) for workflow in (finished, one))
    assert first.keys() == second.keys() == {"cnn", "unet"}
    for name, tensors in first.items():
        assert all(np.array_equal(values, second[name][key]) for key, values in tensors.items())


def test_a_killed_run_goes_on_to_the_same_bits(finished, make_workflow):
    workflow = make_workflow("killed")
    process = subprocess.Popen(
        workflow.command("blend"), cwd=workflow.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    artifacts = workflow.folder / "results/artifacts"
    deadline = time.monotonic() + 300
    while not list(artifacts.glob("simulate/*/*/shards/*.h5")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(artifacts.glob("blend/*/*/truth.parquet"))
    assert workflow.run("--unlock").returncode == 0
    done = workflow.run("blend", "--rerun-incomplete")
    assert done.returncode == 0, done.stdout
    assert not list(artifacts.rglob(".partial-*"))
    assert_same(products(finished), products(workflow))

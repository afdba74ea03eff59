"""The workflow on a real Slurm of one node: the same catalogues as on this machine's cores, and order after a kill."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

from skymill.cli import main

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.timeout(1800)]

MEASURED = ("baseline", "evaluate", "infer")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, repository):
    """Folder of a running cluster; its `finished-jobs.txt` says what each job asked for and where it ran."""
    folder = tmp_path_factory.mktemp("slurm")
    command = [sys.executable, str(repository / "scripts" / "one_node_slurm.py")]
    started = subprocess.run([*command, "start", str(folder)], stderr=subprocess.PIPE, text=True)
    if started.returncode == 1:
        pytest.skip(started.stderr)
    assert started.returncode == 0, started.stderr
    yield folder
    subprocess.run([*command, "stop", str(folder)], check=True)


@pytest.fixture(scope="module")
def make_small(make_workflow):
    """A function that gives an empty folder with every stage in as few jobs as possible; each costs seconds."""

    def make(name):
        workflow = make_workflow(name, inject=None)
        values = yaml.safe_load((workflow.folder / "config.yaml").read_text())
        values["populations"]["galaxies"]["shard_size"] = values["blend"]["shard_size"] = 1000
        values["models"] = {"cnn": values["models"]["cnn"]}
        values["detectors"] = {"sep": values["detectors"]["sep"]}
        (workflow.folder / "config.yaml").write_text(yaml.safe_dump(values))
        return workflow

    return make


def on_slurm(workflow, *targets):
    """Command line with the profile, and no patience: files appear at once here, and jobs are short."""
    profile = ["--profile", str(workflow.source / "profiles" / "slurm"), "--latency-wait", "5"]
    quick = ["--slurm-init-seconds-before-status-checks", "1"]
    return workflow.command(*targets, *profile, *quick, cores=None)


def start(command, workflow):
    with (workflow.folder / "printed.txt").open("w") as log:
        return subprocess.Popen(
            command, cwd=workflow.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def printed(workflow):
    return (workflow.folder / "printed.txt").read_text()


def queue():
    """Jobs in the queue: state by number."""
    listed = subprocess.run(["squeue", "--noheader", "--format=%i %T"], capture_output=True, text=True)
    return dict(line.split() for line in listed.stdout.splitlines())


@pytest.fixture(scope="module")
def both(cluster, make_small):
    """One run on two cores and one on Slurm, at the same time."""
    here, there = make_small("on-cores"), make_small("on-slurm")
    runs = [start(here.command(), here), start(on_slurm(there), there)]
    assert [run.wait() for run in runs] == [0, 0], printed(here) + printed(there)
    return here, there


def test_versions_and_catalogues_are_the_same(both):
    here, there = (workflow.manifest() for workflow in both)

    assert {key: entry["version"] for key, entry in here.items()} == {
        key: entry["version"] for key, entry in there.items()
    }
    catalogues = [key for key in here if key[0] in MEASURED]
    assert {name for _, name in catalogues} >= {"sky.sep", "sky.cnn", "test_blends.sep", "test_blends.cnn"}
    for key in catalogues:
        assert here[key]["sha256"] == there[key]["sha256"], key


def test_jobs_asked_for_what_their_rules_say(both, cluster):
    text = (cluster / "finished-jobs.txt").read_text()
    jobs = re.findall(r"JobState=(\w+) Partition=(\w+) TimeLimit=(\d+) .* Tres=cpu=1,mem=(\w+),", text)

    assert {state for state, *_ in jobs} == {"COMPLETED"}
    # train_model, evaluate_model and infer_tile, on a "GPU"; memory in MB, time in minutes.
    on_gpu = sorted(job[1:] for job in jobs if job[1] == "gpu")
    assert on_gpu == [("gpu", "120", "3000M"), ("gpu", "60", "3000M"), ("gpu", "600", "3500M")]
    # Shards are tied together where Snakemake runs; compare and report are one job, for the time of both.
    assert len(jobs) == 12
    assert ("COMPLETED", "cpu", "90", "3000M") in jobs


def test_no_job_that_went_well_leaves_a_log(both):
    _, there = both
    assert not list((there.folder / "results" / "logs" / "slurm").rglob("*.log"))


def test_a_killed_run_is_cancelled_unlocked_and_goes_on(cluster, both, make_small, capsys):
    here, _ = both
    workflow = make_small("killed-on-slurm")
    run = start(on_slurm(workflow, "simulate"), workflow)
    deadline = time.monotonic() + 300
    while "RUNNING" not in queue().values() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert main(["cancel", str(workflow.folder)]) == 1
    assert f"one that goes on as process {run.pid}" in capsys.readouterr().err
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    (orphan,) = queue()

    assert main(["cancel", str(workflow.folder)]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith(f"{orphan}  running  skymill_")
    assert not queue()
    again = start(on_slurm(workflow, "simulate"), workflow)
    assert again.wait() == 0, printed(workflow)
    truths = [
        next(each.folder.glob("results/artifacts/simulate/*/*/truth.parquet")) for each in (here, workflow)
    ]
    assert truths[0].read_bytes() == truths[1].read_bytes()
    assert not list(workflow.folder.rglob(".partial-*"))


def test_two_processes_under_srun_train_what_one_does(cluster, both, make_small):
    here, _ = both
    workflow = make_small("two-processes")
    two = ("train_model:mpi=srun", "train_model:nodes=1", "train_model:tasks_per_node=2")
    run = start([*on_slurm(workflow, "train"), "--set-resources", *two], workflow)
    assert run.wait() == 0, printed(workflow)

    one, shared = (next(each.folder.glob("results/artifacts/train/cnn/*")) for each in (here, workflow))
    assert yaml.safe_load((shared / "model.yaml").read_text())["processes"] == 2
    assert shared.name == one.name
    losses = [
        [float(line.split(",")[1]) for line in (folder / "history.csv").read_text().splitlines()[1:]]
        for folder in (one, shared)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)

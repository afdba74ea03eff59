"""Tiny real runs of the workflow, each in a folder of its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

TINY = Path(__file__).with_name("tiny.yaml")
SNAKEMAKE = [sys.executable, "-m", "snakemake"]


@dataclass
class Workflow:
    """A folder to run the workflow in, with a configuration of its own."""

    folder: Path
    source: Path
    """Checkout that the Snakefile and the library are taken from."""

    without: tuple[str, ...] = ()
    """Parts of the tiny configuration that a test is not about, as ``models.unet``; each job costs seconds."""

    shard_size: int | None = None
    """Galaxies and blends a shard, where a test is not about shards."""

    def command(self, *arguments: str, cores: int | None = 2) -> list[str]:
        """The command line that a user would type; with a profile that says where jobs run, without cores."""
        where = ["--snakefile", str(self.source / "Snakefile"), "--directory", str(self.folder)]
        configuration = ["--configfile", str(self.folder / "config.yaml")]
        # Targets come first: options such as --configfile take all that follows.
        here = [] if cores is None else ["--cores", str(cores)]
        return [*SNAKEMAKE, *arguments, *here, *configuration, *where]

    def run(
        self, *arguments: str, cores: int | None = 2, path: str | None = None
    ) -> subprocess.CompletedProcess:
        """Run Snakemake and return what it printed, whether it ended well or not."""
        environment = {**os.environ, "PATH": path} if path else None
        return subprocess.run(
            self.command(*arguments, cores=cores), cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
        )  # fmt: skip

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a dry run plans, by rule; targets without work of their own are left out."""
        done = self.run(*arguments, "--dry-run", "--quiet", "rules")
        assert done.returncode == 0, done.stdout
        rows = [
            line.split()
            for line in done.stdout.splitlines()
            if line.split()[1:] and line.split()[-1].isdigit()
        ]
        rules = {row[0]: int(row[1]) for row in rows if len(row) == 2}
        return {rule: count for rule, count in rules.items() if rule not in ("total", "all")}

    def configure(self, **changes: object) -> None:
        """Write the tiny configuration with some top-level keys changed (mappings are mixed in)."""
        values = yaml.safe_load(TINY.read_text())
        for part in self.without:
            section, name = part.split(".")
            del values[section][name]
        if self.shard_size is not None:
            values["populations"]["galaxies"]["shard_size"] = self.shard_size
            values["blend"]["shard_size"] = self.shard_size
        for key, value in changes.items():
            mixed = isinstance(value, dict) and isinstance(values.get(key), dict)
            values[key] = {**values[key], **value} if mixed else value
        (self.folder / "config.yaml").write_text(yaml.safe_dump(values))

    @property
    def face(self) -> Path:
        """Folder of the run's report."""
        return self.folder / "results" / "tiny"

    def manifest(self) -> dict[tuple[str, str], dict]:
        """Entries of the manifest by stage and name."""
        entries = json.loads((self.face / "manifest.json").read_text())
        entries = entries["artifacts"] if isinstance(entries, dict) else entries
        return {(entry["stage"], entry["name"]): entry for entry in entries}


@pytest.fixture(scope="session")
def make_workflow(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Callable[..., Workflow]:
    """A function that gives an empty folder with the tiny configuration; `copy` takes a copy of the code along.

    `without` and `shard_size` are those of `Workflow`.
    """

    def make(
        name: str,
        *,
        copy: bool = False,
        without: tuple[str, ...] = (),
        shard_size: int | None = None,
        **changes: object,
    ) -> Workflow:
        folder = tmp_path_factory.mktemp(name)
        source = repository
        if copy:
            source = tmp_path_factory.mktemp(f"{name}-code")
            for part in ("src", "workflow", "config", "profiles", "envs"):
                shutil.copytree(
                    repository / part, source / part, ignore=shutil.ignore_patterns("__pycache__")
                )
            shutil.copy(repository / "Snakefile", source)
        workflow = Workflow(folder, source, without, shard_size)
        workflow.configure(**changes)
        return workflow

    return make


def finish(make_workflow: Callable[..., Workflow], note: Path) -> Workflow:
    """Finish the tiny run from a copy of the code, and note where both are."""
    workflow = make_workflow("finished", copy=True)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    note.write_text(json.dumps([str(workflow.folder), str(workflow.source)]))
    return workflow


@pytest.fixture(scope="session")
def finished(make_workflow: Callable[..., Workflow], tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """The tiny run, finished on two cores from a copy of the code; tests must leave its results as they are.

    The first process of a session that needs it makes it, and leaves it alone; each works in a copy of its own.
    """
    base = tmp_path_factory.getbasetemp()
    # The workers' folders of xdist lie in the session's; without workers, the session's is our own.
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    note = common / "finished.json"
    with (common / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = (
            finish(make_workflow, note)
            if not note.exists()
            else Workflow(*map(Path, json.loads(note.read_text())))
        )
    own = Workflow(tmp_path_factory.mktemp("own") / "run", made.source)
    shutil.copytree(made.folder, own.folder, symlinks=True)
    return own

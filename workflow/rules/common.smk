# What all rules share: the plan of the run, and functions that look up an artifact by a rule's wildcards.
#
# needs   the configuration (config/config.yaml, --configfile, --config)
# makes   `plan`; functions that the rules name instead of repeating lambdas

import re
import sys
from functools import partial
from pathlib import Path

BASE = Path(workflow.basedir)
# The library beside this workflow, also in jobs, and also where another copy of skymill is installed.
sys.path.insert(0, str(BASE / "src"))

from skymill.config.run import load_config
from skymill.errors import SkymillError
from skymill.plan.adopt import adopt_results, settle
from skymill.plan.artifact import ARTIFACTS, BLEND_DATASETS, FAILURES, STAGES
from skymill.plan.available import missing_detectors
from skymill.plan.build import build_plan
from skymill.plan.chunks import CHUNKS
from skymill.plan.failures import (
    forget_begun,
    is_interrupted,
    leave_reasons_of_killed,
)
from skymill.plan.library import Later, hand_to_jobs, run_began
from skymill.plan.outside import OutsideFiles
from skymill.provenance.code import code_stamp
from skymill.report.closing import closing

hand_to_jobs(BASE / "src")

try:
    run_config = load_config(config)
    began_s = run_began(is_job=not workflow.is_main_process)
    outside = OutsideFiles.of_run(is_job=not workflow.is_main_process)
    plan = build_plan(run_config, BASE, missing_detectors(), began_s, outside)
except SkymillError as error:
    raise WorkflowError(str(error)) from None

if workflow.is_main_process:
    outside.hand_to_jobs()
    adopt_results()
    plan.chunks.forget_untrue()


onstart:
    if workflow.is_main_process:
        forget_begun()


onsuccess:
    if workflow.is_main_process:
        settle()
        for path in closing(plan, workflow.dag_settings.targets):
            print(path)


onerror:
    if workflow.is_main_process:
        settle()
        if not is_interrupted(log):
            for reason in leave_reasons_of_killed():
                print(reason, file=sys.stderr)
        plan.chunks.forget_failed()


# Begins the names of catalogues of blends.
OF_BLENDS = rf"({'|'.join(BLEND_DATASETS)})\."


wildcard_constraints:
    name=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    version=r"[0-9a-f]{10}",
    start=r"[0-9]+",
    stop=r"[0-9]+",
    stage=r"[a-z]+",
    group=r"tiles|injected",


def folder_of(stage):
    """Pattern of the folder of a stage's artifacts."""
    return f"{ARTIFACTS}/{stage}/{{name}}/{{version}}"


def product_of(stage, file):
    """Pattern of a file of a stage's artifacts."""
    return f"{folder_of(stage)}/{file}"


def recipe_of(stage):
    """Recipe of the artifact that a job makes, for its params."""

    def recipe(wildcards):
        return plan.artifact(stage, wildcards.name, wildcards.version).recipe.to_dict()

    return recipe


def input_of(stage, role):
    """File that a job reads in one role."""

    def path(wildcards):
        artifact = plan.artifact(stage, wildcards.name, wildcards.version)
        return artifact.inputs.get(role, [])

    return path


def made_for(stage, role):
    """The same where it may be an outside file, which a job gets by `outside_of`: then there is none."""

    def path(wildcards):
        artifact = plan.artifact(stage, wildcards.name, wildcards.version)
        return [] if role in artifact.outside() else artifact.inputs.get(role, [])

    return path


def outside_of(stage):
    """Files of the user, by role. Snakemake does not look at them, as they count by content, which is in the version,
    may have any name, and fail alone where they are not there. It keeps no note of them, as this asks for `input`.
    """

    def paths(wildcards, input):
        return plan.artifact(stage, wildcards.name, wildcards.version).outside()

    return paths


def failure_of(stage):
    """Where a job leaves the reason why it failed, for `leave_out_failed` and the report."""
    return f"{FAILURES}/{stage}/{{name}}.{{version}}.txt"


def shards_of(stage, suffix):
    """Shards that are tied together as one artifact."""

    def paths(wildcards):
        return plan.artifact(stage, wildcards.name, wildcards.version).shard_files(
            suffix
        )

    return paths


def growing(amount, each=0):
    """Resource of which each attempt of a job asks for as much again: a job that was too big gets through.

    A chunk asks for `each` more for every tile.
    """

    def value(wildcards, attempt):
        return (amount + each * plan.chunks.size) * attempt

    return value


def one_of(names):
    """Pattern that matches these names and no others."""
    return "|".join(re.escape(name) for name in names) or r"(?!)"


def execution_of(key, default=None):
    """Setting of how a model's training is executed, as a resource: a number or text."""

    def value(wildcards):
        networks = run_config.trained() | run_config.trained_finders()
        networks |= run_config.generators | run_config.half_generators()
        networks |= run_config.restorers
        found = getattr(networks[wildcards.name].training, key)
        found = default if found is None else found
        return found if isinstance(found, int) else str(found)

    return value


def comparisons(wildcards, input):
    """What is compared."""
    return Later(plan.comparisons)


def described(wildcards, input):
    """The run as the report shows it."""
    return Later(plan.described)

# What all rules share: the plan of the run, and what happens when it begins and ends.
#
# needs   the configuration (config/config.yaml, --configfile, --config)
# makes   `plan`

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

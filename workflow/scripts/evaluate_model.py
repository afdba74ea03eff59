from pathlib import Path

from skymill.detectors.evaluate import evaluate_model
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    evaluate_model(
        snakemake.params.recipe,
        model=Path(snakemake.input.weights).parent,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        output=snakemake.output.catalogue,
    )

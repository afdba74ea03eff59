from pathlib import Path

from skymill.inference.pictures import judge_pictures
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    judge_pictures(
        snakemake.params.recipe,
        model=Path(snakemake.input.weights).parent,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        folder=snakemake.params.folder,
        noise_tile=snakemake.input.noise_tile or None,
    )

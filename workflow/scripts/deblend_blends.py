from pathlib import Path

from skymill.detectors.deblend import deblend_blends
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    deblend_blends(
        snakemake.params.recipe,
        model=Path(snakemake.input.weights).parent,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        output=snakemake.output.images,
        quality=snakemake.output.quality,
    )

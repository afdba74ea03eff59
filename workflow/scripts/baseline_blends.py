from skymill.detectors.baseline import baseline_blends
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    baseline_blends(
        snakemake.params.recipe,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        output=snakemake.output.catalogue,
    )

from skymill.detectors.baseline import baseline_tile
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    baseline_tile(
        snakemake.params.recipe,
        tile=snakemake.input.tile,
        output=snakemake.output.catalogue,
    )

from skymill.bound.gather import bound_set
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    bound_set(
        snakemake.params.recipe,
        shards=snakemake.input.shards,
        bounds=snakemake.output.bounds,
    )

from skymill.blend.gather import blend_set
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    blend_set(
        snakemake.params.recipe,
        shards=snakemake.input.stamps,
        truths=snakemake.input.truths,
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
    )

from skymill.joblog import job_log
from skymill.scene.gather import scene_set

with job_log(snakemake.log[0]):
    scene_set(
        snakemake.params.recipe,
        shards=snakemake.input.stamps,
        truths=snakemake.input.truths,
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
    )

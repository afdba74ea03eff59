from skymill.blend.shard import blend_shard
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    blend_shard(
        snakemake.params.recipe,
        snakemake.input.stamps,
        snakemake.input.truth,
        int(snakemake.wildcards.start),
        int(snakemake.wildcards.stop),
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
        noise_tile=snakemake.input.get("noise_tile") or None,
    )

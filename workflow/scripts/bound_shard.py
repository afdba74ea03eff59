from skymill.bound.shard import bound_shard
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    bound_shard(
        snakemake.params.recipe,
        snakemake.input.blends,
        snakemake.input.galaxies,
        int(snakemake.wildcards.start),
        int(snakemake.wildcards.stop),
        bounds=snakemake.output.bounds,
        noise_tile=snakemake.input.get("noise_tile") or None,
    )

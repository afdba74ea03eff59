from skymill.joblog import job_log
from skymill.scene.shard import scene_shard

with job_log(snakemake.log[0]):
    scene_shard(
        snakemake.params.recipe,
        snakemake.input.stamps,
        snakemake.input.truth,
        int(snakemake.wildcards.start),
        int(snakemake.wildcards.stop),
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
        noise_tile=snakemake.input.get("noise_tile") or None,
    )

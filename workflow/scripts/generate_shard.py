from skymill.joblog import job_log
from skymill.training.generated import generate_shard

with job_log(snakemake.log[0]):
    generate_shard(
        snakemake.params.recipe,
        int(snakemake.wildcards.start),
        int(snakemake.wildcards.stop),
        generator=snakemake.input.card,
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
    )

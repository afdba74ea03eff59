from skymill.joblog import job_log
from skymill.simulate.shard import simulate_shard

with job_log(snakemake.log[0]):
    simulate_shard(
        snakemake.params.recipe,
        int(snakemake.wildcards.start),
        int(snakemake.wildcards.stop),
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
        catalogue=snakemake.input.get("catalogue") or snakemake.params.outside.get("catalogue"),
        data_dir=snakemake.params.data_dir,
    )

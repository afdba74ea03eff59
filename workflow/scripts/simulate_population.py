from skymill.joblog import job_log
from skymill.simulate.gather import simulate_population

with job_log(snakemake.log[0]):
    simulate_population(
        snakemake.params.recipe,
        shards=snakemake.input.stamps,
        truths=snakemake.input.truths,
        stamps=snakemake.output.stamps,
        truth=snakemake.output.truth,
    )

from skymill.compare.compare import compare_run
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    compare_run(
        snakemake.params.recipe,
        inputs=snakemake.params.inputs,
        metrics=snakemake.output.metrics,
        matched=snakemake.output.matched,
        judged=snakemake.params.judged,
    )

from skymill.joblog import job_log
from skymill.training.ensemble import join_models

with job_log(snakemake.log[0]):
    join_models(
        snakemake.params.recipe,
        snakemake.input.models,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        folder=snakemake.params.folder,
        noise_tile=snakemake.input.get("noise_tile") or None,
    )

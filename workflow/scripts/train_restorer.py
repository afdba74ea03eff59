from skymill.joblog import job_log
from skymill.training.restorer import train_restorer

with job_log(snakemake.log[0]):
    train_restorer(
        snakemake.params.recipe,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        folder=snakemake.params.folder,
        execution={
            "threads": snakemake.threads,
            **{key: snakemake.resources[key] for key in ("device", "workers", "progress", "cache_limit_gb")},
        },
    )

from skymill.joblog import job_log
from skymill.training.finder import train_finder

with job_log(snakemake.log[0]):
    train_finder(
        snakemake.params.recipe,
        train_stamps=snakemake.input.train_stamps,
        train_truth=snakemake.input.train_truth,
        validation_stamps=snakemake.input.validation_stamps,
        validation_truth=snakemake.input.validation_truth,
        folder=snakemake.params.folder,
        execution={
            "threads": snakemake.threads,
            **{key: snakemake.resources[key] for key in ("device", "workers", "progress", "cache_limit_gb")},
        },
    )

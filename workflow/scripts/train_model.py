from skymill.joblog import job_log
from skymill.training.processes import Processes
from skymill.training.train import train_model

with job_log(snakemake.log[0]):
    train_model(
        snakemake.params.recipe,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        folder=snakemake.params.folder,
        noise_tile=snakemake.input.get("noise_tile") or None,
        start=snakemake.input.get("start") or None,
        execution={
            "threads": snakemake.threads,
            **{key: snakemake.resources[key] for key in ("device", "workers", "progress", "cache_limit_gb")},
        },
        processes=Processes.of(snakemake.resources),
    )

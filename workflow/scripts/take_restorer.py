from skymill.joblog import job_log
from skymill.training.shipped import take_restorer

with job_log(snakemake.log[0]):
    take_restorer(
        snakemake.params.recipe,
        weights=snakemake.input.weights,
        card=snakemake.input.card,
        history=snakemake.input.history,
        folder=snakemake.params.folder,
    )

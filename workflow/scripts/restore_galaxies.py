from skymill.inference.restore import restore_galaxies
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    restore_galaxies(
        snakemake.params.recipe,
        restorer=snakemake.input.card,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        folder=snakemake.params.folder,
    )

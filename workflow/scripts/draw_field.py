from skymill.joblog import job_log
from skymill.simulate.field import draw_field

with job_log(snakemake.log[0]):
    draw_field(
        snakemake.params.recipe,
        image=snakemake.output.image,
        truth=snakemake.output.truth,
    )

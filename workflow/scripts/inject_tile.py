from skymill.compare.inject import inject_tile
from skymill.joblog import job_log

with job_log(snakemake.log[0], snakemake.params.failure):
    inject_tile(
        {**snakemake.params.recipe, "stage_code": snakemake.params.code},
        tile=snakemake.input.tile,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        output=snakemake.output.tile,
        output_truth=snakemake.output.truth,
    )

from skymill.detectors.baseline import baseline_tile
from skymill.joblog import job_log

with job_log(snakemake.log[0], snakemake.params.failure):
    baseline_tile(
        {**snakemake.params.recipe, "stage_code": snakemake.params.code},
        tile=snakemake.input.tile,
        output=snakemake.output.catalogue,
    )

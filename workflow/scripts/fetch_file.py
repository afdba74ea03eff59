from skymill.ingest.fetch import fetch_file
from skymill.joblog import job_log

with job_log(snakemake.log[0], snakemake.params.failure):
    fetch_file(
        {**snakemake.params.recipe, "stage_code": snakemake.params.code},
        output=snakemake.output.file,
    )

from skymill.ingest.reference import read_reference
from skymill.joblog import job_log

with job_log(snakemake.log[0], snakemake.params.failure):
    read_reference(
        {**snakemake.params.recipe, "stage_code": snakemake.params.code},
        source=snakemake.input.get("source") or snakemake.params.outside["source"],
        tile=snakemake.input.tile,
        output=snakemake.output.sources,
    )

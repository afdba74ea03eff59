from skymill.ingest.ingest import ingest_tile
from skymill.joblog import job_log

with job_log(snakemake.log[0], snakemake.params.failure):
    ingest_tile(
        {**snakemake.params.recipe, "stage_code": snakemake.params.code},
        image=snakemake.input.get("image") or snakemake.params.outside["image"],
        rms=snakemake.input.get("rms") or snakemake.params.outside.get("rms"),
        mask=snakemake.input.get("mask") or snakemake.params.outside.get("mask"),
        output=snakemake.output.tile,
    )

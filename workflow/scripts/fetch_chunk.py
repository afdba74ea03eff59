from skymill.ingest.chunk import fetch_chunk
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    fetch_chunk(
        snakemake.params.members,
        code=snakemake.params.code,
        output=snakemake.output.manifest,
    )

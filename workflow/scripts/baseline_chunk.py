from skymill.detectors.baseline import baseline_chunk
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    baseline_chunk(
        snakemake.params.members,
        manifests=snakemake.input.manifests,
        code=snakemake.params.code,
        output=snakemake.output.manifest,
    )

from skymill.detectors.infer import infer_chunk
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    infer_chunk(
        snakemake.params.members,
        manifests=snakemake.input.manifests,
        code=snakemake.params.code,
        output=snakemake.output.manifest,
    )

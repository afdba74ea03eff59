from skymill.joblog import job_log
from skymill.provenance.chunk import tally_tiles

with job_log(snakemake.log[0]):
    tally_tiles(snakemake.input.manifests, output=snakemake.output.tally)

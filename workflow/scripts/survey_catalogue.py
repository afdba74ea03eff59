from skymill.joblog import job_log
from skymill.survey.catalogue import survey_catalogue

with job_log(snakemake.log[0]):
    survey_catalogue(
        snakemake.params.recipe,
        tiles=snakemake.params.tiles,
        parts=snakemake.output.parts,
        output=snakemake.output.index,
    )

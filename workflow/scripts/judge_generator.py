from skymill.inference.judge import judge_generator
from skymill.joblog import job_log

with job_log(snakemake.log[0]):
    judge_generator(
        snakemake.params.recipe,
        generator=snakemake.input.card,
        stamps=snakemake.input.stamps,
        truth=snakemake.input.truth,
        blend_stamps=snakemake.input.blend_stamps,
        blend_truth=snakemake.input.blend_truth,
        halves=snakemake.input.half_cards,
        folder=snakemake.params.folder,
    )

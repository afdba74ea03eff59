# skymill: survey images in, catalogues out. Each line below names a file of workflow/rules; each file is one stage.
#
#   snakemake --cores 2                                  the default run, to results/default/report.html
#   snakemake --cores 2 --configfile config/sdss.yaml    another run
#   snakemake --cores 2 train                            a stage alone, with what it needs

from snakemake.utils import min_version

min_version("9.13")


if not workflow.configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/lookup.smk"
include: "workflow/rules/chunks.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/generator.smk"
include: "workflow/rules/restorer.smk"
include: "workflow/rules/blend.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/scene.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/finder.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/deblend.smk"
include: "workflow/rules/pictures.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/ingest.smk"
include: "workflow/rules/reference.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/baseline.smk"
include: "workflow/rules/inject.smk"
include: "workflow/rules/survey.smk"
include: "workflow/rules/tally.smk"
include: "workflow/rules/bound.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
        plan.gone(*STAGES),
    localrule: True

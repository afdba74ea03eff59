# survey: the catalogues of all tiles of the tile table become one, each source once
#
# needs   infer/<tile>.<model> or baseline/<tile>.<detector>, and of ingest/<tile> the header
# makes   survey/<model or detector>/<version>/parts/part-<number>.parquet  (schema `survey`)
#         survey/<model or detector>/<version>/index.json                   the parts: rows, sky bounds, checksums
# steps   one job a network and detector. No part of `all`: the report does not wait for it


def survey_catalogues(wildcards):
    """Survey catalogues, looked up when they are asked for."""
    return [artifact.file("index") for artifact in plan.surveys.artifacts.values()]


def catalogues_of_tiles(wildcards):
    """What a survey catalogue is made of."""
    return plan.surveyed(wildcards.name)


def tiles_of_survey(wildcards, input):
    """Each tile's name, image and catalogue."""
    return Later(partial(plan.surveys.tiles, wildcards.name))


rule survey:
    input:
        survey_catalogues,
    localrule: True


rule survey_catalogue:
    input:
        tiles=catalogues_of_tiles,
    output:
        index=product_of("survey", "index.json"),
        parts=directory(product_of("survey", "parts")),
        provenance=product_of("survey", "provenance.json"),
    log:
        "results/logs/survey/{name}.{version}.log",
    benchmark:
        "results/benchmarks/survey/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        recipe=recipe_of("survey"),
        tiles=tiles_of_survey,
        code=code_stamp("skymill.survey.catalogue"),
    message:
        "survey: {wildcards.name}"
    script:
        "../scripts/survey_catalogue.py"

# survey: the catalogues of all tiles of the tile table become one, each source once
#
# needs   infer/<tile>.<model> or baseline/<tile>.<detector>, and of ingest/<tile> the header
# makes   survey/<model or detector>/<version>/parts/part-<number>.parquet  (schema `survey`)
#         survey/<model or detector>/<version>/index.json                   the parts: rows, sky bounds, checksums
# steps   one job a network and detector. No part of `all`: the report does not wait for it


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

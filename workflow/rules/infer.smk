# infer: a network measures the candidates on a tile
#
# needs   ingest/<tile> or inject/<tile>, and train/<model>; also the detection model, where one finds the candidates
# makes   infer/<tile>[.injected<draw>].<model>/<version>/catalogue.parquet  (schema `measurement`)
# steps   one job a tile and model; tiles are read window by window. The target `catalog` is the tiles' catalogues alone


rule infer:
    input:
        plan.targets("infer"),
    localrule: True


rule catalog:
    input:
        plan.catalogues(),
    localrule: True


rule infer_tile:
    input:
        tile=input_of("infer", "tile"),
        weights=input_of("infer", "weights"),
        card=input_of("infer", "card"),
        finder_weights=input_of("infer", "finder_weights"),
        finder_card=input_of("infer", "finder_card"),
    output:
        catalogue=product_of("infer", "catalogue.parquet"),
        provenance=product_of("infer", "provenance.json"),
    log:
        "results/logs/infer/{name}.{version}.log",
    benchmark:
        "results/benchmarks/infer/{name}.{version}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120),
    params:
        recipe=recipe_of("infer"),
        code=code_stamp("skymill.detectors.infer"),
    message:
        "infer: {wildcards.name}"
    script:
        "../scripts/infer_tile.py"

# infer: a network measures the candidates on a tile
#
# needs   ingest/<tile> or inject/<tile>, and train/<model>; also the detection model, where one finds the candidates,
#         and the generator that anomaly scores are from
# makes   infer/<tile>[.injected<draw>].<model>/<version>/catalogue.parquet  (schema `measurement`)
# steps   one job a tile or chunk of tiles (config: tiles_per_job) and model; tiles are read window by window. The target
#         `catalog` is the tiles' catalogues alone


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
        anomaly_weights=input_of("infer", "anomaly_weights"),
        anomaly_card=input_of("infer", "anomaly_card"),
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
        failure=failure_of("infer"),
        code=code_stamp("skymill.detectors.infer"),
    message:
        "infer: {wildcards.name}"
    script:
        "../scripts/infer_tile.py"


rule infer_chunk:
    input:
        manifests=manifests_for("infer"),
        files=files_for("infer"),
    output:
        manifest=manifest_of("infer"),
    log:
        "results/logs/infer/{name}.{version}.log",
    benchmark:
        "results/benchmarks/infer/{name}.{version}.tsv"
    wildcard_constraints:
        name=CHUNK,
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(120, each=5),
    params:
        members=members_of("infer"),
        code=code_stamp("skymill.detectors.infer"),
    message:
        "infer: tiles {wildcards.name}"
    script:
        "../scripts/infer_chunk.py"

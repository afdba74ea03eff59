# reference: reference catalogues of tiles become lists of sources
#
# needs   ingest/<tile>, and the catalogue that the tile table names or the truth of a simulated field
# makes   reference/<tile>/<version>/sources.parquet  the tile's reference catalogue (schema `sources`)
# steps   one job a tile or a chunk of tiles (config: tiles_per_job)


rule read_reference:
    input:
        source=made_for("reference", "source"),
        tile=input_of("reference", "tile"),
    output:
        sources=product_of("reference", "sources.parquet"),
        provenance=product_of("reference", "provenance.json"),
    log:
        "results/logs/reference/{name}.{version}.log",
    benchmark:
        "results/benchmarks/reference/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(30),
    params:
        recipe=recipe_of("reference"),
        outside=outside_of("reference"),
        failure=failure_of("reference"),
        code=code_stamp("skymill.ingest.reference"),
    message:
        "reference: catalogue of tile {wildcards.name}"
    script:
        "../scripts/read_reference.py"


rule reference_chunk:
    input:
        manifests=manifests_for("reference"),
    output:
        manifest=manifest_of("reference"),
    log:
        "results/logs/reference/{name}.{version}.log",
    benchmark:
        "results/benchmarks/reference/{name}.{version}.tsv"
    wildcard_constraints:
        name=CHUNK,
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(30, each=1),
    params:
        members=members_of("reference"),
        code=code_stamp("skymill.ingest.reference"),
    message:
        "reference: catalogues of tiles {wildcards.name}"
    script:
        "../scripts/reference_chunk.py"

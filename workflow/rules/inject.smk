# inject: galaxies of known flux added to a tile, for the same infer and baseline
#
# needs   ingest/<tile> and the test side of simulate/<population>
# makes   inject/<tile>[.<draw>]/<version>/tile.fits, truth.parquet  (schema `sources`)
# steps   one job a tile or a chunk of tiles (config: tiles_per_job), and draw


rule inject:
    input:
        plan.targets("inject"),
    localrule: True


rule inject_tile:
    input:
        tile=input_of("inject", "tile"),
        stamps=input_of("inject", "stamps"),
        truth=input_of("inject", "truth"),
    output:
        tile=product_of("inject", "tile.fits"),
        truth=product_of("inject", "truth.parquet"),
        provenance=product_of("inject", "provenance.json"),
    log:
        "results/logs/inject/{name}.{version}.log",
    benchmark:
        "results/benchmarks/inject/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        recipe=recipe_of("inject"),
        failure=failure_of("inject"),
        code=code_stamp("skymill.compare.inject"),
    message:
        "inject: galaxies into tile {wildcards.name}"
    script:
        "../scripts/inject_tile.py"


rule inject_chunk:
    input:
        manifests=manifests_for("inject"),
        files=files_for("inject"),
    output:
        manifest=manifest_of("inject"),
    log:
        "results/logs/inject/{name}.{version}.log",
    benchmark:
        "results/benchmarks/inject/{name}.{version}.tsv"
    wildcard_constraints:
        name=CHUNK,
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60, each=2),
    params:
        members=members_of("inject"),
        code=code_stamp("skymill.compare.inject"),
    message:
        "inject: galaxies into tiles {wildcards.name}"
    script:
        "../scripts/inject_chunk.py"

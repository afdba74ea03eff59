# scene: patches of sky with galaxies of one side of the split, stars and artefacts, for networks that find sources
#
# needs   simulate/<population>; for real noise the tile ingest/<tile>
# makes   scene/{train,validation,test}/<version>/stamps.h5  noisy image, segments
#         scene/{train,validation,test}/<version>/truth.parquet  one row a source (schema `scenes`)
# steps   one job a shard, then one that ties the shards together


rule scene:
    input:
        plan.targets("scene"),
    localrule: True


rule scene_shard:
    input:
        stamps=input_of("scene", "stamps"),
        truth=input_of("scene", "truth"),
        noise_tile=input_of("scene", "noise_tile"),
    output:
        stamps=product_of("scene", "shards/{start}-{stop}.h5"),
        truth=product_of("scene", "shards/{start}-{stop}.parquet"),
    log:
        "results/logs/scene/{name}.{version}.{start}-{stop}.log",
    benchmark:
        "results/benchmarks/scene/{name}.{version}.{start}-{stop}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
    params:
        recipe=recipe_of("scene"),
        code=code_stamp("skymill.scene.shard"),
    message:
        "scene: {wildcards.name} patches {wildcards.start} to {wildcards.stop}"
    script:
        "../scripts/scene_shard.py"


rule scene_set:
    input:
        stamps=shards_of("scene", ".h5"),
        truths=shards_of("scene", ".parquet"),
    output:
        stamps=product_of("scene", "stamps.h5"),
        truth=product_of("scene", "truth.parquet"),
        provenance=product_of("scene", "provenance.json"),
    log:
        "results/logs/scene/{name}.{version}.log",
    benchmark:
        "results/benchmarks/scene/{name}.{version}.tsv"
    localrule: True
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        recipe=recipe_of("scene"),
        code=code_stamp("skymill.scene.gather"),
    message:
        "scene: tie the shards of the {wildcards.name} patches together"
    script:
        "../scripts/scene_set.py"

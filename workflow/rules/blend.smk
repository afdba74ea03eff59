# blend: test galaxies put together, with noise: those of the simulated population and, where asked for, real ones
#
# needs   simulate/<population>; for real noise the tile ingest/<tile>
# makes   blend/{test,real}/<version>/stamps.h5  noisy image, noise-free central and neighbours, masks
#         blend/{test,real}/<version>/truth.parquet  one row a galaxy (schema `blends`)
# steps   one job a shard, then one that ties the shards together


rule blend:
    input:
        plan.targets("blend"),
    localrule: True


rule blend_shard:
    input:
        stamps=input_of("blend", "stamps"),
        truth=input_of("blend", "truth"),
        noise_tile=input_of("blend", "noise_tile"),
    output:
        stamps=product_of("blend", "shards/{start}-{stop}.h5"),
        truth=product_of("blend", "shards/{start}-{stop}.parquet"),
    log:
        "results/logs/blend/{name}.{version}.{start}-{stop}.log",
    benchmark:
        "results/benchmarks/blend/{name}.{version}.{start}-{stop}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
    params:
        recipe=recipe_of("blend"),
        code=code_stamp("skymill.blend.shard"),
    message:
        "blend: {wildcards.name} blends {wildcards.start} to {wildcards.stop}"
    script:
        "../scripts/blend_shard.py"


rule blend_set:
    input:
        stamps=shards_of("blend", ".h5"),
        truths=shards_of("blend", ".parquet"),
    output:
        stamps=product_of("blend", "stamps.h5"),
        truth=product_of("blend", "truth.parquet"),
        provenance=product_of("blend", "provenance.json"),
    log:
        "results/logs/blend/{name}.{version}.log",
    benchmark:
        "results/benchmarks/blend/{name}.{version}.tsv"
    localrule: True
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        recipe=recipe_of("blend"),
        code=code_stamp("skymill.blend.gather"),
    message:
        "blend: tie the shards of the {wildcards.name} blends together"
    script:
        "../scripts/blend_set.py"

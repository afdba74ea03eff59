# bound: the least error that the noise allows, for the galaxies of the test blends (Cramér–Rao)
#
# needs   simulate/<population> of bulge + disc galaxies, blend/test; for real noise the tile ingest/<tile>
# makes   bound/test/<version>/bounds.parquet  one row a galaxy (schema `bounds`)
# steps   one job a shard, then one that ties the shards together


rule bound:
    input:
        plan.targets("bound"),
    localrule: True


rule bound_shard:
    input:
        blends=input_of("bound", "blends"),
        galaxies=input_of("bound", "galaxies"),
        noise_tile=input_of("bound", "noise_tile"),
    output:
        bounds=product_of("bound", "shards/{start}-{stop}.parquet"),
    log:
        "results/logs/bound/{name}.{version}.{start}-{stop}.log",
    benchmark:
        "results/benchmarks/bound/{name}.{version}.{start}-{stop}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
    params:
        recipe=recipe_of("bound"),
        code=code_stamp("skymill.bound.shard"),
    message:
        "bound: {wildcards.name} blends {wildcards.start} to {wildcards.stop}"
    script:
        "../scripts/bound_shard.py"


rule bound_set:
    input:
        shards=shards_of("bound", ".parquet"),
    output:
        bounds=product_of("bound", "bounds.parquet"),
        provenance=product_of("bound", "provenance.json"),
    log:
        "results/logs/bound/{name}.{version}.log",
    benchmark:
        "results/benchmarks/bound/{name}.{version}.tsv"
    localrule: True
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        recipe=recipe_of("bound"),
        code=code_stamp("skymill.bound.gather"),
    message:
        "bound: tie the shards of the {wildcards.name} blends together"
    script:
        "../scripts/bound_set.py"

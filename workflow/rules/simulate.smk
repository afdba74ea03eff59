# simulate: isolated galaxies
#
# needs   a population and a survey of the configuration; for real galaxies the catalogue that the population names
# makes   simulate/<population>/<version>/stamps.h5  noise-free, PSF-convolved stamps
#         simulate/<population>/<version>/truth.parquet  one row a galaxy (schema `galaxies`)
#         field/<tile>/<version>/image.fits, truth.parquet  a simulated telescope image
# steps   one job a shard (of populations of kind generator, see generator.smk), then one that ties the shards together; one job a field


rule simulate:
    input:
        plan.targets("simulate"),
    localrule: True


rule simulate_shard:
    input:
        catalogue=made_for("simulate", "catalogue"),
    output:
        stamps=product_of("simulate", "shards/{start}-{stop}.h5"),
        truth=product_of("simulate", "shards/{start}-{stop}.parquet"),
    log:
        "results/logs/simulate/{name}.{version}.{start}-{stop}.log",
    benchmark:
        "results/benchmarks/simulate/{name}.{version}.{start}-{stop}.tsv"
    wildcard_constraints:
        name=one_of(set(run_config.populations) - set(run_config.generated())),
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(60),
    params:
        recipe=recipe_of("simulate"),
        outside=outside_of("simulate"),
        data_dir=run_config.data_dir,
        code=code_stamp("skymill.simulate.shard"),
    message:
        "simulate: galaxies {wildcards.start} to {wildcards.stop} of population {wildcards.name}"
    script:
        "../scripts/simulate_shard.py"


rule simulate_population:
    input:
        stamps=shards_of("simulate", ".h5"),
        truths=shards_of("simulate", ".parquet"),
    output:
        stamps=product_of("simulate", "stamps.h5"),
        truth=product_of("simulate", "truth.parquet"),
        provenance=product_of("simulate", "provenance.json"),
    log:
        "results/logs/simulate/{name}.{version}.log",
    benchmark:
        "results/benchmarks/simulate/{name}.{version}.tsv"
    localrule: True
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        recipe=recipe_of("simulate"),
        code=code_stamp("skymill.simulate.gather"),
    message:
        "simulate: tie the shards of population {wildcards.name} together"
    script:
        "../scripts/simulate_population.py"


rule draw_field:
    output:
        image=product_of("field", "image.fits"),
        truth=product_of("field", "truth.parquet"),
        provenance=product_of("field", "provenance.json"),
    log:
        "results/logs/field/{name}.{version}.log",
    benchmark:
        "results/benchmarks/field/{name}.{version}.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        recipe=recipe_of("field"),
        code=code_stamp("skymill.simulate.field"),
    message:
        "field: draw the simulated tile {wildcards.name}"
    script:
        "../scripts/draw_field.py"

# generator: a network learns the isolated galaxies of a population, and draws new ones
#
# needs   simulate/<population> that it learns from; for shipped networks nothing
# makes   generator/<name>/<version>/weights.safetensors, model.yaml (card), history.csv, curves.png, film.png
#         simulate/<population>/<version>/shards  of populations of kind generator
#         generator/<name>.half1, .half2  the same of halves of the galaxies, for generators with `halves`
# steps   one job a network, on a GPU if there is one; a job that was killed goes on from its last checkpoint. Then one
#         job a shard of each population that it draws; simulate_population ties them together like any other. Shipped
#         ones (config: pretrained_generators) are checked and taken as they are


rule generator:
    input:
        plan.targets("generator"),
    localrule: True


rule train_generator:
    input:
        stamps=input_of("generator", "stamps"),
        truth=input_of("generator", "truth"),
    output:
        weights=product_of("generator", "weights.safetensors"),
        card=product_of("generator", "model.yaml"),
        history=product_of("generator", "history.csv"),
        curves=report(
            product_of("generator", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        film=product_of("generator", "film.png"),
        provenance=product_of("generator", "provenance.json"),
    log:
        "results/logs/generator/{name}.{version}.log",
    benchmark:
        "results/benchmarks/generator/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of([*run_config.trained_generators(), *run_config.half_generators()]),
    conda:
        "../../envs/generator.yaml"
    threads: execution_of("threads", 1)
    resources:
        mem_mb=growing(3500),
        runtime=growing(600),
        # How the training is executed changes no recipe, so it is no param: a change plans nothing.
        device=execution_of("device"),
        workers=execution_of("workers"),
        progress=execution_of("progress"),
        cache_limit_gb=execution_of("cache_limit_gb"),
    params:
        recipe=recipe_of("generator"),
        folder=folder_of("generator"),
        code=code_stamp("skymill.training.generator"),
    message:
        "generator: network {wildcards.name}"
    script:
        "../scripts/train_generator.py"


rule take_generator:
    input:
        weights=input_of("generator", "weights"),
        card=input_of("generator", "card"),
        history=input_of("generator", "history"),
    output:
        weights=product_of("generator", "weights.safetensors"),
        card=product_of("generator", "model.yaml"),
        history=product_of("generator", "history.csv"),
        curves=report(
            product_of("generator", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("generator", "provenance.json"),
    log:
        "results/logs/generator/{name}.{version}.log",
    benchmark:
        "results/benchmarks/generator/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.shipped_generators()),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        recipe=recipe_of("generator"),
        folder=folder_of("generator"),
        code=code_stamp("skymill.training.shipped"),
    message:
        "generator: shipped network {wildcards.name}"
    script:
        "../scripts/take_generator.py"


rule generate_shard:
    input:
        weights=input_of("simulate", "weights"),
        card=input_of("simulate", "card"),
    output:
        stamps=product_of("simulate", "shards/{start}-{stop}.h5"),
        truth=product_of("simulate", "shards/{start}-{stop}.parquet"),
    log:
        "results/logs/simulate/{name}.{version}.{start}-{stop}.log",
    benchmark:
        "results/benchmarks/simulate/{name}.{version}.{start}-{stop}.tsv"
    wildcard_constraints:
        name=one_of(run_config.generated()),
    conda:
        "../../envs/generator.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        recipe=recipe_of("simulate"),
        code=code_stamp("skymill.training.generated"),
    message:
        "simulate: a network draws galaxies {wildcards.start} to {wildcards.stop} of population {wildcards.name}"
    script:
        "../scripts/generate_shard.py"

# finder: a network learns from the training patches of sky to find sources
#
# needs   scene/train and scene/validation; for shipped networks nothing
# makes   finder/<name>/<version>/weights.safetensors, model.yaml (card), history.csv, curves.png
# steps   one job a network, on a GPU if there is one; a job that was killed goes on from its last checkpoint.
#         Shipped ones (config: pretrained_finders) are checked and taken as they are


rule finder:
    input:
        plan.targets("finder"),
    localrule: True


rule train_finder:
    input:
        train_stamps=input_of("finder", "train_stamps"),
        train_truth=input_of("finder", "train_truth"),
        validation_stamps=input_of("finder", "validation_stamps"),
        validation_truth=input_of("finder", "validation_truth"),
    output:
        weights=product_of("finder", "weights.safetensors"),
        card=product_of("finder", "model.yaml"),
        history=product_of("finder", "history.csv"),
        curves=report(
            product_of("finder", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("finder", "provenance.json"),
    log:
        "results/logs/finder/{name}.{version}.log",
    benchmark:
        "results/benchmarks/finder/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.trained_finders()),
    conda:
        "../../envs/train.yaml"
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
        recipe=recipe_of("finder"),
        folder=folder_of("finder"),
        code=code_stamp("skymill.training.finder"),
    message:
        "finder: network {wildcards.name}"
    script:
        "../scripts/train_finder.py"


rule take_finder:
    input:
        weights=input_of("finder", "weights"),
        card=input_of("finder", "card"),
        history=input_of("finder", "history"),
    output:
        weights=product_of("finder", "weights.safetensors"),
        card=product_of("finder", "model.yaml"),
        history=product_of("finder", "history.csv"),
        curves=report(
            product_of("finder", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("finder", "provenance.json"),
    log:
        "results/logs/finder/{name}.{version}.log",
    benchmark:
        "results/benchmarks/finder/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.shipped_finders()),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        recipe=recipe_of("finder"),
        folder=folder_of("finder"),
        code=code_stamp("skymill.training.shipped"),
    message:
        "finder: shipped network {wildcards.name}"
    script:
        "../scripts/take_finder.py"

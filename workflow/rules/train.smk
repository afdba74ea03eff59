# train: a network learns from blends that are composed as it goes
#
# needs   simulate/<population>; for real noise the tile ingest/<tile>
# makes   train/<model>/<version>/weights.safetensors, model.yaml (card), history.csv, curves.png;
#         beside them film.png, what is drawn after each epoch, if the training has a critic
# steps   one job a model, on a GPU if there is one; a job that was killed goes on from its last checkpoint. With the
#         resources tasks_per_node, nodes and mpi=srun it shares its batches among several (docs/cluster.md).
#         Shipped models (config: pretrained) are checked and taken as they are


rule train:
    input:
        plan.targets("train"),
    localrule: True


rule train_model:
    input:
        stamps=input_of("train", "stamps"),
        truth=input_of("train", "truth"),
        noise_tile=input_of("train", "noise_tile"),
        start=input_of("train", "start"),
    output:
        weights=product_of("train", "weights.safetensors"),
        card=product_of("train", "model.yaml"),
        history=product_of("train", "history.csv"),
        curves=report(
            product_of("train", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("train", "provenance.json"),
    log:
        "results/logs/train/{name}.{version}.log",
    benchmark:
        "results/benchmarks/train/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.trained()),
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
        recipe=recipe_of("train"),
        folder=folder_of("train"),
        code=code_stamp("skymill.training.train"),
    message:
        "train: model {wildcards.name}"
    script:
        "../scripts/train_model.py"


rule take_model:
    input:
        weights=input_of("train", "weights"),
        card=input_of("train", "card"),
        history=input_of("train", "history"),
    output:
        weights=product_of("train", "weights.safetensors"),
        card=product_of("train", "model.yaml"),
        history=product_of("train", "history.csv"),
        curves=report(
            product_of("train", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("train", "provenance.json"),
    log:
        "results/logs/train/{name}.{version}.log",
    benchmark:
        "results/benchmarks/train/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.shipped()),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        recipe=recipe_of("train"),
        folder=folder_of("train"),
        code=code_stamp("skymill.training.shipped"),
    message:
        "train: shipped model {wildcards.name}"
    script:
        "../scripts/take_model.py"


rule join_models:
    input:
        models=input_of("train", "models"),
        weights=input_of("train", "weights"),
        stamps=input_of("train", "stamps"),
        truth=input_of("train", "truth"),
        noise_tile=input_of("train", "noise_tile"),
    output:
        weights=product_of("train", "weights.safetensors"),
        card=product_of("train", "model.yaml"),
        history=product_of("train", "history.csv"),
        curves=report(
            product_of("train", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("train", "provenance.json"),
    log:
        "results/logs/train/{name}.{version}.log",
    benchmark:
        "results/benchmarks/train/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.ensembles),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(3500),
        runtime=growing(60),
    params:
        recipe=recipe_of("train"),
        folder=folder_of("train"),
        code=code_stamp("skymill.training.ensemble"),
    message:
        "train: ensemble {wildcards.name}"
    script:
        "../scripts/join_models.py"

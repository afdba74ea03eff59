# restorer, restore: a network learns to restore images of a worse PSF and more noise, and is compared with deconvolutions
#
# needs   simulate/<population> that it learns from and is compared on
# makes   restorer/<name>/<version>/weights.safetensors, model.yaml (card), history.csv, curves.png;
#         beside them film.png, what is drawn after each epoch, if the training has a critic
#         restore/<name>/<version>/metrics.json, tuned.json, restored.png
# steps   one job a network, on a GPU if there is one; a job that was killed goes on from its last checkpoint. Shipped ones
#         (config: pretrained_restorers) are checked and taken as they are. Then one job a network that restores galaxies
#         of the test side, beside Richardson-Lucy and Wiener


rule restorer:
    input:
        plan.targets("restorer"),
    localrule: True


rule restore:
    input:
        plan.targets("restore"),
    localrule: True


rule train_restorer:
    input:
        stamps=input_of("restorer", "stamps"),
        truth=input_of("restorer", "truth"),
    output:
        weights=product_of("restorer", "weights.safetensors"),
        card=product_of("restorer", "model.yaml"),
        history=product_of("restorer", "history.csv"),
        curves=report(
            product_of("restorer", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("restorer", "provenance.json"),
    log:
        "results/logs/restorer/{name}.{version}.log",
    benchmark:
        "results/benchmarks/restorer/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.trained_restorers()),
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
        recipe=recipe_of("restorer"),
        folder=folder_of("restorer"),
        code=code_stamp("skymill.training.restorer"),
    message:
        "restorer: network {wildcards.name}"
    script:
        "../scripts/train_restorer.py"


rule take_restorer:
    input:
        weights=input_of("restorer", "weights"),
        card=input_of("restorer", "card"),
        history=input_of("restorer", "history"),
    output:
        weights=product_of("restorer", "weights.safetensors"),
        card=product_of("restorer", "model.yaml"),
        history=product_of("restorer", "history.csv"),
        curves=report(
            product_of("restorer", "curves.png"),
            category="Training",
            caption="../captions/curves.rst",
        ),
        provenance=product_of("restorer", "provenance.json"),
    log:
        "results/logs/restorer/{name}.{version}.log",
    benchmark:
        "results/benchmarks/restorer/{name}.{version}.tsv"
    wildcard_constraints:
        name=one_of(run_config.shipped_restorers()),
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        recipe=recipe_of("restorer"),
        folder=folder_of("restorer"),
        code=code_stamp("skymill.training.shipped"),
    message:
        "restorer: shipped network {wildcards.name}"
    script:
        "../scripts/take_restorer.py"


rule restore_galaxies:
    input:
        weights=input_of("restore", "weights"),
        card=input_of("restore", "card"),
        stamps=input_of("restore", "stamps"),
        truth=input_of("restore", "truth"),
    output:
        metrics=product_of("restore", "metrics.json"),
        tuned=product_of("restore", "tuned.json"),
        picture=product_of("restore", "restored.png"),
        provenance=product_of("restore", "provenance.json"),
    log:
        "results/logs/restore/{name}.{version}.log",
    benchmark:
        "results/benchmarks/restore/{name}.{version}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=growing(60),
    params:
        recipe=recipe_of("restore"),
        folder=folder_of("restore"),
        code=code_stamp("skymill.inference.restore"),
    message:
        "restore: network {wildcards.name} beside deconvolutions"
    script:
        "../scripts/restore_galaxies.py"

# ingest: survey images become checked tiles; reference catalogues become lists of sources
#
# needs   the tile table (paths or URLs) or simulated fields
# makes   fetch/<file>/<version>/<file>  what was behind a URL, checksum verified
#         ingest/<tile>/<version>/tile.fits  science, rms, mask, WCS and facts
#         reference/<tile>/<version>/sources.parquet  the tile's reference catalogue (schema `sources`)
# steps   one job a file to fetch, one a tile, one a reference; a bad tile fails alone (use --keep-going)


rule ingest:
    input:
        plan.targets("ingest"),
        plan.targets("reference"),
    localrule: True


rule fetch_file:
    output:
        file=product_of("fetch", "{name}"),
        provenance=product_of("fetch", "provenance.json"),
    log:
        "results/logs/fetch/{name}.{version}.log",
    benchmark:
        "results/benchmarks/fetch/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(60),
    params:
        recipe=recipe_of("fetch"),
        failure=failure_of("fetch"),
        code=code_stamp("skymill.ingest.fetch"),
    message:
        "fetch: {wildcards.name}"
    script:
        "../scripts/fetch_file.py"


rule ingest_tile:
    input:
        image=input_of("ingest", "image"),
        rms=input_of("ingest", "rms"),
        mask=input_of("ingest", "mask"),
    output:
        tile=product_of("ingest", "tile.fits"),
        provenance=product_of("ingest", "provenance.json"),
    log:
        "results/logs/ingest/{name}.{version}.log",
    benchmark:
        "results/benchmarks/ingest/{name}.{version}.tsv"
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        recipe=recipe_of("ingest"),
        missing=missing_of("ingest"),
        failure=failure_of("ingest"),
        code=code_stamp("skymill.ingest.ingest"),
    message:
        "ingest: tile {wildcards.name}"
    script:
        "../scripts/ingest_tile.py"


rule read_reference:
    input:
        source=input_of("reference", "source"),
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
        missing=missing_of("reference"),
        failure=failure_of("reference"),
        code=code_stamp("skymill.ingest.reference"),
    message:
        "reference: catalogue of tile {wildcards.name}"
    script:
        "../scripts/read_reference.py"

# ingest: survey images become checked tiles
#
# needs   the tile table (paths or URLs) or simulated fields
# makes   ingest/<tile>/<version>/tile.fits  science, rms, mask, WCS and facts
# steps   one job a tile or a chunk of tiles (config: tiles_per_job); a bad tile fails alone (use --keep-going)


rule ingest:
    input:
        plan.targets("ingest", "reference"),
    localrule: True


rule ingest_tile:
    input:
        image=made_for("ingest", "image"),
        rms=made_for("ingest", "rms"),
        mask=made_for("ingest", "mask"),
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
        outside=outside_of("ingest"),
        failure=failure_of("ingest"),
        code=code_stamp("skymill.ingest.ingest"),
    message:
        "ingest: tile {wildcards.name}"
    script:
        "../scripts/ingest_tile.py"


rule ingest_chunk:
    input:
        manifests=manifests_for("ingest"),
    output:
        manifest=manifest_of("ingest"),
    log:
        "results/logs/ingest/{name}.{version}.log",
    benchmark:
        "results/benchmarks/ingest/{name}.{version}.tsv"
    wildcard_constraints:
        name=CHUNK,
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60, each=1),
    params:
        members=members_of("ingest"),
        code=code_stamp("skymill.ingest.ingest"),
    message:
        "ingest: tiles {wildcards.name}"
    script:
        "../scripts/ingest_chunk.py"

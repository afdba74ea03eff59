# chunks: functions of the rules that make many tiles in one job, and the job that ties a stage's chunks together
#
# needs   the manifests of the stage's chunks
# makes   results/chunks/tally/<stage>.<tiles or injected>.<version>.json  every tile's artifact with its checksums
# steps   one job a stage; it fails if a tile did, and says why: everything else has been made by then


# Names of chunks of tiles: rows of the tile table, and what measures them.
CHUNK = r"[0-9]+-[0-9]+(\.[A-Za-z0-9_.-]+)?"


def manifest_of(stage):
    """Pattern of the file that the job of a chunk of tiles writes."""
    return f"{CHUNKS}/{stage}/{{name}}.{{version}}.json"


def manifests_for(stage):
    """Manifests of the chunks that a chunk of tiles is made from."""

    def paths(wildcards):
        return plan.chunks.manifests_for(chunk_of(stage, wildcards))

    return paths


def files_for(stage):
    """Files that all tiles of a chunk are made with: networks, galaxies to inject."""

    def paths(wildcards):
        return plan.chunks.files_for(chunk_of(stage, wildcards))

    return paths


def members_of(stage):
    """What the job of a chunk makes. Snakemake keeps no note of it, as it asks for `input`: versions say it all."""

    def members(wildcards, input):
        chunk = chunk_of(stage, wildcards)
        return Later(partial(plan.chunks.described, chunk))

    return members


def chunk_of(stage, wildcards):
    """Chunk that a job is about."""
    return plan.chunks.chunk(stage, wildcards.name, wildcards.version)


def tallied(wildcards):
    """Manifests of all chunks of a stage."""
    chunks = plan.chunks.of_group(wildcards.stage, wildcards.group)
    return [str(chunk.manifest) for chunk in chunks]


rule tally_tiles:
    input:
        manifests=tallied,
    output:
        tally=f"{CHUNKS}/tally/{{stage}}.{{group}}.{{version}}.json",
    log:
        "results/logs/tally/{stage}.{group}.{version}.log",
    benchmark:
        "results/benchmarks/tally/{stage}.{group}.{version}.tsv"
    localrule: True
    conda:
        "../../envs/baseline.yaml"
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        code=code_stamp("skymill.provenance.chunk"),
    message:
        "tally: {wildcards.stage}, {wildcards.group}"
    script:
        "../scripts/tally_tiles.py"

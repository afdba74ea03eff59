# What the rules about many tiles share: functions that look up a chunk of tiles or a survey catalogue by a rule's wildcards.
#
# needs   `plan` of common.smk
# makes   functions


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


def survey_catalogues(wildcards):
    """Survey catalogues, looked up when they are asked for."""
    return [made.main for made in plan.surveys.artifacts.values()]


def catalogues_of_tiles(wildcards):
    """What a survey catalogue is made of."""
    return plan.surveyed(wildcards.name)


def tiles_of_survey(wildcards, input):
    """Each tile's name, image and catalogue."""
    return Later(partial(plan.surveys.tiles, wildcards.name))

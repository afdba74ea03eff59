"""From a configuration to the artifacts of a run."""

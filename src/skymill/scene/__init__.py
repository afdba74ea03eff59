"""Patches of simulated sky with many sources and artefacts, for networks that detect."""

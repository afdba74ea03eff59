"""Blends composed from isolated galaxies."""

"""Isolated galaxies and fields, drawn with GalSim."""

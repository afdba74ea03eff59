"""Isolated galaxies and whole fields, drawn with GalSim from documented priors or from real images."""

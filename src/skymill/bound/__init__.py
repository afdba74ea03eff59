"""The Cramér–Rao bound on the fluxes of blended galaxies."""

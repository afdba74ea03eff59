"""Galaxies of one side of the split put together into blends, with noise."""

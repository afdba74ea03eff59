"""skymill: survey images in, catalogues out, with networks trained on simulations of that survey."""

__version__ = "0.1.0"

"""One catalogue of overlapping tiles, without duplicates."""

"""Survey images in, checked tiles out."""

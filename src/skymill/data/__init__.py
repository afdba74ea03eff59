"""Survey, StampSet and Tile."""

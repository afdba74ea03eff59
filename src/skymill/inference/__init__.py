"""Windows over tiles and measuring in batches."""

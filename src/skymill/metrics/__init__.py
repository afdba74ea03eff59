"""Pure functions on arrays: photometry, detection, intervals."""

"""Catalogues: schema, flags, reading and writing, matching, comparing."""

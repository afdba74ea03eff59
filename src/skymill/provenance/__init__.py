"""Versions, code stamps, provenance records and atomic writing."""

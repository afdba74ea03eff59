"""Matching, injection and tables of metrics."""

"""Execution pools, a file for each."""

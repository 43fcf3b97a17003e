"""Promises of the simulated world, a file for each."""

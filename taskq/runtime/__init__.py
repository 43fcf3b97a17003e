"""Drives the core with the real ports; decides nothing."""

"""Ties to frameworks."""

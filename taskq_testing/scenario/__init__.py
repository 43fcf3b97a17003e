"""Scenario files: schema, loading, running."""

"""Measurements for docs/performance.md; no tests."""

"""Search over choices."""

"""Promises, checked over a trace."""

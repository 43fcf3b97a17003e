"""Signatures and what they become as messages; it sends nothing."""

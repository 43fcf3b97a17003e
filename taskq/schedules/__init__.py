"""Arithmetic on the times given to them; no clock."""

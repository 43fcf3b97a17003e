"""Drawn canvases, and what must come of them."""

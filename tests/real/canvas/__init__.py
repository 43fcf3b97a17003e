"""Canvases carried out by real workers that are killed on the way."""

"""Found by autodiscovery."""

FOUND = True

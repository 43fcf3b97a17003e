"""Every setting, as one typed table, and how values get into it."""

"""Names that other libraries expect."""

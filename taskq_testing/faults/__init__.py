"""What can go wrong, as a table."""

"""One suite for each port."""

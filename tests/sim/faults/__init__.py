"""Each fault has a scene that shows it, and that fails where it does nothing."""

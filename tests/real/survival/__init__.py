"""What survives workers that are killed and restarted under load, and messages that are none."""

"""What the ports are made of in production; they know neither app nor core."""

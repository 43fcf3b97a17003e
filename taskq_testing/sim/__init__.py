"""One thread, a virtual clock, in-memory models: the same worker, simulated."""

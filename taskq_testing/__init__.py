"""taskq_testing: the same worker on a virtual clock, a seeded scheduler and in-memory brokers."""

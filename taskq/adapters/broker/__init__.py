"""Broker drivers: one of our own for Redis, one on kombu for the rest."""

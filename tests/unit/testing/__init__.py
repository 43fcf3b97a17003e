"""Tests of the harness itself, model by model."""

"""Tests of the pure core: decisions, formats and their faults, without store, socket or MTA."""

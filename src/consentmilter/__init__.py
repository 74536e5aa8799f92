"""A Postfix milter that enforces consent: opted-out people get no marketing mail."""

__version__ = "0.1.0"

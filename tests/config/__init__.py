"""Tests of the configuration: what it accepts, what it refuses, and what it says then."""

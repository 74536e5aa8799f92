"""Tests of the readers of suppression files."""

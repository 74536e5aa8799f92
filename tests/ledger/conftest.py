"""Stores that the tests start from."""

from tests.store.conftest import database, journal_url, url

__all__ = ["database", "journal_url", "url"]

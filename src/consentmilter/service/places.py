"""Where things are that the configuration leaves to a default."""

from consentmilter.config import Config


def journal_url(config: Config) -> str:
    """The journal's store: as configured, else journal.db beside an SQLite store, else in the same database."""
    if config.store.journal is not None:
        return config.store.journal
    if config.store.url.startswith("sqlite:"):
        return config.store.url.rpartition("/")[0] + "/journal.db"
    return config.store.url

"""Where things are that the configuration leaves to a default."""

from consentmilter.config import Config
from consentmilter.store.databases import database


def journal_url(config: Config) -> str:
    """The journal's store: as configured, else journal.db beside a store that is a file, else in the same database."""
    if config.store.journal is not None:
        return config.store.journal
    if database(config.store.url).file is None:
        return config.store.url
    return config.store.url.rpartition("/")[0] + "/journal.db"

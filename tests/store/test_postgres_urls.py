"""URLs that name a database of a PostgreSQL server."""

import pytest

from consentmilter.errors import StoreSetupError
from consentmilter.store.databases import database
from consentmilter.store.postgres.urls import server


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://consentmilter@db1/consent", None),
        ("postgresql://consentmilter:secret@db1:5433/consent", "postgresql://consentmilter@db1:5433/consent"),
        ("postgresql://db1,db2/consent?password=secret&sslmode=verify-full", "postgresql://db1,db2/consent"),
        ("postgresql://u@db1:1,db2:2/consent", None),
        ("postgresql://u@db1,db2/consent?port=7", "postgresql://u@db1:7,db2:7/consent"),
        ("postgresql:///consent?host=/var/run/postgresql&sslpassword=secret", "postgresql://%2Fvar%2Frun%2Fpostgresql/consent"),
        ("postgresql:///?service=consent", None),
        ("postgresql://u:secret@[2001:db8::1]:5432/c%20d", "postgresql://u@[2001:db8::1]:5432/c%20d"),
    ],
)  # fmt: skip
def test_a_server_is_named_without_its_password(url: str, name: str | None) -> None:
    """In every message; the name is a URL again."""
    assert server(url).name == (name or url)
    assert "secret" not in database(url).name
    assert server(server(url).name).name == (name or url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:secret@db1/", "postgresql://u@db1/ names no database; use postgresql://"),
        ("postgresql://", "names no database"),
        ("postgresql://u:secret@db1,db..example/consent", "'db..example' cannot be the name of a host"),
        ("postgresql://u@db1/consent?sslmod=require", "has the parameter 'sslmod', which libpq does not know"),
        ("postgresql://u:sec%ret@db1/consent", "is no URL; use postgresql://"),
        ("postgresql://u@db1/consent?password=secret%00", "is no URL; use postgresql://"),
        ("postgresql:/u:secret@db1/consent", "is no URL"),
        ("postgresql+psycopg://u:secret@db1/consent", r"'postgresql\+psycopg' stores are not supported; use sqlite:/"),
        (
            "mysql://u:secret@db1/consent",
            r"'mysql' stores are not supported; use .* or postgresql://user@host/database",
        ),
        ("postgres.example.com", "the store's URL is no URL; use sqlite:////absolute/path or postgresql://"),
        ("", "is no URL"),
    ],
)
def test_a_url_that_names_no_database_is_refused(url: str, told: str) -> None:
    """With what to write instead, and without the password."""
    with pytest.raises(StoreSetupError, match=told) as caught:
        database(url)
    assert "sec" not in str(caught.value)


def test_what_the_url_says_wins_over_what_is_set_for_it() -> None:
    """Whatever libpq knows may stand in the URL."""
    plain = server("postgresql://u@db1,db2/consent").parameters
    assert plain["target_session_attrs"] == "read-write"
    assert plain["application_name"] == "consentmilter"
    own = "postgresql://u@db1,db2/consent?target_session_attrs=primary&application_name=mx1&connect_timeout=2"
    assert server(own).parameters == plain | {
        "target_session_attrs": "primary",
        "application_name": "mx1",
        "connect_timeout": "2",
    }

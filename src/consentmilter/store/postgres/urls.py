"""The server that a store URL names: what libpq is told, and what messages call it.

Everything that libpq understands may stand in the URL, and wins over what is set here. Raises StoreSetupError for a URL
that libpq does not understand; the message never quotes what could be a password.
"""

import re
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consentmilter.errors import StoreSetupError

_DEFAULTS = {
    "application_name": "consentmilter",
    "client_encoding": "UTF8",
    "target_session_attrs": "read-write",  # of several hosts, the one that is the primary now
    "connect_timeout": "5",  # seconds for each host
    # A peer that is gone without a word is noticed within half a minute, and one that takes nothing within a quarter.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}

_MEND = "use postgresql://user@host/database"

_UNKNOWN = re.compile(r'invalid (?:URI query parameter|connection option):? "(\w+)"')


@dataclass(frozen=True, slots=True)
class Server:
    """Where a store is; `parameters` are libpq's and may hold a password."""

    name: str
    parameters: dict[str, str]

    @property
    def conninfo(self) -> str:
        """The same for the driver, in one string."""
        return make_conninfo(**self.parameters)


def server(url: str) -> Server:
    """The server that a store URL names."""
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except (psycopg.Error, UnicodeError) as error:
        unknown = _UNKNOWN.search(str(error))
        what = f"has the parameter {unknown[1]!r}, which libpq does not know" if unknown else "is no URL"
        raise StoreSetupError(f"the store's URL {what}; {_MEND}") from None
    if not given.get("dbname") and "service" not in given:
        raise StoreSetupError(f"{_name(given)} names no database; {_MEND}")
    if wrong := [host for host in _hosts(given) if not _can_be_looked_up(host)]:
        raise StoreSetupError(f"{_name(given)}: {wrong[0]!r} cannot be the name of a host; {_MEND}")
    return Server(_name(given), _DEFAULTS | given)


def _name(given: dict[str, str]) -> str:
    """The URL again, without passwords and other parameters."""
    hosts = _hosts(given)
    ports = given.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    places = ",".join(f"{_quoted(host)}{port and ':'}{port}" for host, port in zip_longest(hosts, ports, fillvalue=""))
    user = f"{quote(given['user'])}@" if "user" in given else ""
    service = f"?service={given['service']}" if "service" in given else ""
    return f"postgresql://{user}{places}/{quote(given.get('dbname', ''))}{service}"


def _hosts(given: dict[str, str]) -> list[str]:
    return given.get("host", given.get("hostaddr", "")).split(",")


def _can_be_looked_up(host: str) -> bool:
    """Whether Python can ask for it: it raises what nobody expects of a connection."""
    try:
        host.encode("idna")
    except UnicodeError:
        return host.startswith(("/", "@"))  # a directory with the server's socket
    return True


def _quoted(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")

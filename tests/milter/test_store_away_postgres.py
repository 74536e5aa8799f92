"""A milter on PostgreSQL: its worker lives through whatever the server tells it unasked."""

from concurrent.futures import ThreadPoolExecutor

from tests.milter.conftest import Start
from tests.milter.site import QUEUED, SENDER, assert_no_fault, login, session
from tests.store.stores import POSTGRES

CLIENTS, SESSIONS = 5, 20


def test_notices_of_the_server_do_not_end_the_worker(start_own: Start) -> None:
    """libmilter moves sessions between threads; a call from libpq back into Python would hang or crash the worker.

    Such a worker stopped within the first hundred messages of this test.
    """
    url = POSTGRES.database("template0")
    name = url.rpartition("/")[2]
    POSTGRES.server.execute(f"ALTER DATABASE {name} SET client_min_messages = debug5")
    milter = start_own(store={"url": url})
    milter.suppress("bob@example.org")
    workers = milter.workers()

    def send(_client: int) -> None:
        for _ in range(SESSIONS):
            with session(milter) as mta:
                for _ in range(2):
                    mta.mail(SENDER, login("newsletter"))
                    mta.rcpt("<ann@example.org>").expects(250)
                    mta.rcpt("<bob@example.org>").expects(550)
                    mta.eom(QUEUED).expects(250)

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(send, range(CLIENTS)))
    assert milter.workers() == workers
    assert_no_fault(milter)

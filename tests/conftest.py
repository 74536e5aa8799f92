"""What holds for all tests."""

import gc
import signal

from tests.store.stores import _databases_dropped, _postgres_stopped, kind, postgres_server

__all__ = ["_databases_dropped", "_postgres_stopped", "kind", "postgres_server"]


def pytest_configure() -> None:
    """Let the programs that tests start heed SIGINT: a shell starts what runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Set what has been collected apart from garbage: to look through thousands of tests again and again takes long."""
    gc.collect()
    gc.freeze()

"""What holds for all tests."""

import gc
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.store.stores import _databases_dropped, _postgres_stopped, kind, postgres_server

WITH_PROCESSES = {
    "cli", "docs", "intake", "lab", "ledger", "milter", "postfix", "service", "several", "store", "supervisor", "web",
}  # fmt: skip
"""Parts whose tests wait for other processes, which a busy machine may starve past any bound."""

__all__ = ["_databases_dropped", "_postgres_stopped", "kind", "postgres_server"]


def pytest_configure() -> None:
    """Let the programs that tests start heed SIGINT: a shell starts what runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # That examples are slow to draw says that the machine is busy.
    settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Try a test that failed beside other processes once more, and say so.

    What a drawn test found is a fault, even if it is not drawn again; it has no second try.
    """
    part = item.path.relative_to(Path(__file__).parent).parts[0]
    if part in WITH_PROCESSES and not is_hypothesis_test(getattr(item, "obj", None)):
        item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_collection_finish() -> None:
    """Set what has been collected apart from garbage: to look through thousands of tests again and again takes long.

    Nor is it looked for as often as by default: what drivers and drawn examples leave behind is small.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

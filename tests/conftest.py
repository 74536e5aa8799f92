"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Let the programs that tests start heed SIGINT: a shell starts what runs in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

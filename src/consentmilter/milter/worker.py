"""A worker process: libmilter in the main thread, the control channel in another.

Started by the supervisor as `python -m consentmilter.milter.worker --listen-fd N --control-fd M`. It builds the
application's runtime from the configuration that comes over the channel, serves MTA connections from the listener, and
leaves when told to, or when the channel ends, as soon as its last connection has. Nothing signals a worker; the signals
that a terminal or an init system might send to all are blocked. Exit codes: 0 drained, 3 the configuration cannot be
used (the reason goes over the channel), 4 a fault of ours.
"""

import argparse
import importlib
import os
import signal
import socket
import sys
import syslog
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import Milter
import milter

from consentmilter import log
from consentmilter.control import (
    Channel,
    Configure,
    Drain,
    Drained,
    EndOfChannelError,
    Order,
    Ready,
    Refused,
    Reload,
    Reloaded,
)
from consentmilter.errors import ConsentMilterError, ControlError
from consentmilter.milter.callbacks import NAME, register
from consentmilter.milter.current import Current
from consentmilter.milter.listening import Listening, install_wake

APPLICATION = "consentmilter.milter.application"

DRAINED, UNUSABLE, FAULT = 0, 3, 4

DRAIN_TICK = 0.1
"""How often a draining worker counts its connections."""
RETIRED_TICK = 1.0
"""How often a worker looks whether a runtime before the current one has lost its last user."""

_log = log.get()


class Application(Protocol):
    """What a worker serves; a module with these three functions."""

    def build(self, config_json: str) -> Any:
        """Everything that sessions need. Raises `ConsentMilterError` with a message if it cannot be had."""

    def session(self, current: Callable[[], Any]) -> Milter.Base:
        """The callbacks for one MTA connection; they call `current` at each MAIL for the runtime of that message."""

    def close(self, runtime: Any) -> None:
        """Flush and close what `build` made."""


class Worker:
    """Serves one control channel, next to libmilter's threads."""

    def __init__(
        self, channel: Channel, application: Application, listening: Listening, current: Current[Any], drain: float
    ) -> None:
        self._channel = channel
        self._application = application
        self._listening = listening
        self._current = current
        self._drain = drain
        self._deadline: float | None = None
        self._open = 0
        self._ended = False
        self._hindered = False

    def serve(self) -> None:
        """Obey until there is nothing left to do; then everything is flushed."""
        self._channel.send(Ready())
        while not self._done():
            order = self._next_order()
            if order is not None:
                self._obey(order)
            for runtime in self._current.take_unused():
                self._close(runtime)
        self.close_runtimes()
        self._channel.send(Drained(cut=self._open))

    def close_runtimes(self) -> None:
        """Close every runtime, in use or not: the process ends."""
        for runtime in self._current.take_all():
            self._close(runtime)

    def _next_order(self) -> Order | None:
        tick = DRAIN_TICK if self._deadline is not None else RETIRED_TICK if self._current.retired else None
        if self._ended:
            time.sleep(DRAIN_TICK)
            return None
        try:
            return self._channel.receive(tick)
        except EndOfChannelError:
            self._ended = True
            return Drain(self._drain)
        except ControlError as error:
            _log.error("control_message_unreadable", error=str(error))
            return None

    def _obey(self, order: Order) -> None:
        match order:
            case Reload():
                self._reload(order)
            case Drain(seconds=seconds):
                deadline = time.monotonic() + seconds
                self._deadline = deadline if self._deadline is None else min(deadline, self._deadline)
            case Configure():
                _log.error("control_message_unexpected", kind=order.kind)

    def _reload(self, order: Reload) -> None:
        try:
            runtime = self._application.build(order.config)
        except ConsentMilterError as error:
            self._channel.send(Refused(str(error), order.number))
            return
        except Exception as error:  # noqa: BLE001 - the edge to the application
            # A fault of ours there must not cost the sessions that the old runtime serves.
            _log.exception("runtime_not_built")
            self._channel.send(Refused(f"a fault of ours: {error!r}", order.number))
            return
        self._drain = order.drain
        self._current.swap(runtime)
        self._channel.send(Reloaded(order.number))

    def _done(self) -> bool:
        if self._deadline is None:
            return False
        try:
            if not self._listening.stopping:
                self._listening.stop()
            stopped = self._listening.stopped  # before counting: until then connections can still come
            self._open = self._listening.connections()
            if stopped and self._open == 0:
                return True
        except OSError as error:
            # Out of descriptors, most likely: sessions that end give some back, so the next tick may succeed.
            if not self._hindered:
                _log.warning("drain_hindered", error=str(error))
            self._hindered = True
        return time.monotonic() >= self._deadline

    def _close(self, runtime: Any) -> None:
        try:
            self._application.close(runtime)
        except Exception:  # noqa: BLE001 - the edge to the application
            # One runtime that cannot be closed must not keep the others from being flushed.
            _log.exception("runtime_not_closed")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker to its end; the exit code."""
    # Before any thread starts, so that all inherit it. libmilter would stop at HUP and TERM and cut its sessions.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})
    install_wake()
    log.configure()
    _share_syslog()
    args = _parser().parse_args(arguments)
    with socket.socket(fileno=args.control_fd) as control, socket.socket(fileno=args.listen_fd) as listener:
        return _start(Channel(control), listener, cast(Application, importlib.import_module(args.application)))


def _start(channel: Channel, listener: socket.socket, application: Application) -> int:
    try:
        order = channel.receive()
    except EndOfChannelError:
        return DRAINED  # the supervisor changed its mind
    if not isinstance(order, Configure):
        _log.error("control_message_unexpected", kind=order.kind if order else None)
        return FAULT
    try:
        current = Current(application.build(order.config))
        register(lambda: application.session(current.handle()))
        listening = Listening(listener)
    except ConsentMilterError as error:
        channel.send(Refused(str(error)))
        return UNUSABLE
    return _run(Worker(channel, application, listening, current, order.drain))


def _run(worker: Worker) -> int:
    threading.Thread(target=_control, args=(worker,), name="control", daemon=True).start()
    try:
        milter.main()
        _log.error("libmilter_ended")
    except milter.error as error:
        _log.error("libmilter_failed", error=str(error))
    worker.close_runtimes()
    return FAULT


def _control(worker: Worker) -> None:
    code = FAULT
    try:
        worker.serve()
        code = DRAINED
    except Exception:  # noqa: BLE001 - the edge of the thread
        # A process that serves on but can be neither reloaded nor drained is worse than one that is replaced.
        _log.exception("control_failed")
    finally:
        _leave(code)


def _leave(code: int) -> None:
    # smfi_main does not join its threads, and they may be inside Python: finalising the interpreter would race them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _share_syslog() -> None:
    """Give libmilter's own messages, which go to syslog(3), our name, and a way out where there is no syslog."""
    stderr_too = 0 if Path("/dev/log").exists() else syslog.LOG_PERROR
    syslog.openlog(NAME, syslog.LOG_PID | stderr_too, syslog.LOG_MAIL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="consentmilter.milter.worker", description="Started by the supervisor.")
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--application", default=APPLICATION)
    return parser


def _process() -> None:
    code = FAULT
    try:
        code = main()
    except Exception:  # noqa: BLE001 - the edge of the process
        _log.exception("worker_failed")
    finally:
        _leave(code)


if __name__ == "__main__":
    _process()

"""The log: one event a line on standard error, readable on a terminal, JSON elsewhere.

Event names and their fields are an interface; `docs/log.md` lists them. Times are UTC.
"""

import logging
import sys
from typing import Any, Literal, TextIO, cast

# structlog would load rich, which takes longer than all the rest of it, to draw tracebacks that `format_exc_info` has
# written by then. A name that stands for None counts as not installed; where rich is loaded already, nothing is gained.
_absent = sys.modules.setdefault("rich", None) is None  # type: ignore[arg-type]  # the import system's own way to say so
import structlog  # noqa: E402 - see above

if _absent:
    del sys.modules["rich"]

Logger = structlog.typing.FilteringBoundLogger


def configure(log_format: Literal["auto", "json", "console"] = "auto", level: str = "info") -> None:
    """Set how and what is logged by this process from now on."""
    stream = sys.stderr
    stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # odd octets must never stop a log line
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )


def get() -> Logger:
    """The process's logger."""
    return cast("Logger", structlog.get_logger())

"""The command line: `consentmilter COMMAND`.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 the store or another part could not be
reached, 4 a fault of ours, 130 interrupted.
"""

import gc
import sys
import traceback
from contextlib import suppress

from consentmilter.errors import AddressError, ConfigError, ConsentMilterError, KeyFileError, UsageError

WRONG_USAGE, UNREACHABLE, OUR_FAULT, INTERRUPTED = 2, 3, 4, 130

_COLLECT_AFTER = 50_000
"""Objects until garbage is looked for; Python's own 700 take a tenth of the time in which a command is loaded."""

_WRONG = (UsageError, AddressError, ConfigError, KeyFileError)


def main() -> None:
    """Run the command line and turn what went wrong into an exit code."""
    gc.set_threshold(_COLLECT_AFTER)
    try:
        from consentmilter.cli.commands import app  # noqa: PLC0415 - a fault in an import must not end with 1 either

        app()
    except ConsentMilterError as error:
        for line in str(error).splitlines():
            _say(f"error: {line}")
        sys.exit(WRONG_USAGE if isinstance(error, _WRONG) else UNREACHABLE)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001 - the edge of the process: 1 would mean that the answer is no
        _say(f"{traceback.format_exc()}error: a fault of consentmilter; nothing half-done is left behind")
        sys.exit(OUR_FAULT)


def _say(text: str) -> None:
    # Whether anybody hears it or not (standard error may be closed), the exit code is to be the right one.
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{text}\n")

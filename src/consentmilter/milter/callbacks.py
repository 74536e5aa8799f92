"""What libmilter calls: pymilter's callbacks, registered as `Milter.runmilter` does, with stricter negotiation.

`runmilter` also opens the socket and enters the main loop, which a worker does on its own. Raises nothing.
"""

from collections.abc import Callable
from typing import Any

import Milter
import milter

from consentmilter import log

NAME = "consentmilter"

ACTIONS = (
    milter.ADDHDRS
    | milter.CHGHDRS
    | milter.ADDRCPT
    | milter.DELRCPT
    | milter.QUARANTINE
    | milter.CHGFROM
    | milter.SETSYMLIST
)
"""What sessions may do to a message. SETSYMLIST is among them: without it a milter may not choose its macros."""

_log = log.get()


def register(factory: Callable[[], Milter.Base]) -> None:
    """Serve each MTA connection with the callbacks that `factory` makes for it."""
    Milter.factory = factory
    milter.set_flags(ACTIONS)
    milter.set_exception_policy(milter.TEMPFAIL)
    milter.set_connect_callback(Milter.connect_callback)
    milter.set_helo_callback(lambda ctx, host: ctx.getpriv().hello(host))
    milter.set_envfrom_callback(lambda ctx, *words: ctx.getpriv().envfrom_bytes(*words))
    milter.set_envrcpt_callback(lambda ctx, *words: ctx.getpriv().envrcpt_bytes(*words))
    milter.set_header_callback(lambda ctx, name, value: ctx.getpriv().header_bytes(name, value))
    milter.set_eoh_callback(lambda ctx: ctx.getpriv().eoh())
    milter.set_body_callback(lambda ctx, chunk: ctx.getpriv().body(chunk))
    milter.set_eom_callback(lambda ctx: ctx.getpriv().eom())
    milter.set_abort_callback(lambda ctx: ctx.getpriv().abort())
    milter.set_close_callback(Milter.close_callback)
    milter.register(
        NAME,
        data=lambda ctx: ctx.getpriv().data(),
        unknown=lambda ctx, command: ctx.getpriv().unknown(command),
        negotiate=_negotiate,
    )


def _negotiate(ctx: Any, options: list[int]) -> int:
    """Agree with the MTA on events and actions, or hang up.

    pymilter's own takes all actions that the MTA offers, whatever `set_flags` said. And it swallows whatever goes wrong
    and takes all options instead: that includes "no reply to RCPT", with which every refusal would be lost. Hanging up
    leads to milter_default_action, and that to a deferral.
    """
    options[0] &= ACTIONS
    try:
        answer = int(Milter.negotiate_callback(ctx, options))
    except Exception:  # noqa: BLE001 - a callback edge
        _log.exception("negotiation_failed")
        return int(milter.REJECT)
    if answer == milter.ALL_OPTS:
        _log.error("negotiation_failed", reason="the session's negotiate() raised, and pymilter hid what")
        return int(milter.REJECT)
    return answer

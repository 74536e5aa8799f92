"""Calls for what people may ask about what is held of them: to see it, move it, erase it, freeze it, and to object.

They reach beyond organisations, since a person is the same in all of them: all but an objection take a token that is
good for everything. An answer is given after the commit; a dry run changes nothing and says what would be done.
"""

import json
from http import HTTPStatus

from consentmilter import log
from consentmilter.errors import UsageError
from consentmilter.model import ALL
from consentmilter.service import dossier, rights
from consentmilter.service.holds import HeldError
from consentmilter.service.person import Person, person_named
from consentmilter.service.places import journal_url
from consentmilter.service.rights import Effects, Hand
from consentmilter.web.api.answers import Done, DossierTold, EffectTold, Exported
from consentmilter.web.api.calls import Call, R
from consentmilter.web.api.evidence import text_of
from consentmilter.web.api.messages import Objection, Rectification, Restriction, Right
from consentmilter.web.api.problems import Problem, unusable

_log = log.get()


async def export(call: Call[Right]) -> Exported:
    """Hand out everything that is held of somebody."""
    call.caller.require_scope(ALL)
    context, person = call.context, _person(call, call.message.email)
    found = await dossier.gather(context.store, journal_url(context.config), person)
    if call.message.dry_run:
        return Exported(subject=person.address, records=len(found), dossier=None)
    told = DossierTold.model_validate(dossier.told(found, context.now()))
    written = json.dumps(told.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode()
    await dossier.note(context.store, found, written, call.actor, text_of(call.message.evidence), now=context.now)
    _tell(call, "export", person)
    return Exported(subject=person.address, records=len(found), dossier=told)


async def rectify(call: Call[Rectification]) -> Done:
    """Have what holds for one address hold for another one."""
    call.caller.require_scope(ALL)
    old, new = _person(call, call.message.email), _person(call, call.message.new_email, "new_email")
    try:
        effects = await rights.rectify(call.context.store, old, new, _hand(call))
    except UsageError as error:
        raise unusable("new_email", str(error)) from None
    return _done(call, "rectify", old, effects)


async def erase(call: Call[Right]) -> Done:
    """Forget somebody, but for the key that keeps them from being mailed."""
    call.caller.require_scope(ALL)
    context, person = call.context, _person(call, call.message.email)
    try:
        effects = await rights.erase(context.store, journal_url(context.config), person, _hand(call))
    except HeldError as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from None
    return _done(call, "erase", person, effects)


async def restrict(call: Call[Restriction]) -> Done:
    """Do nothing with what is held of somebody but keep it."""
    call.caller.require_scope(ALL)
    person = _person(call, call.message.email)
    return _done(call, "restrict", person, await rights.restrict(call.context.store, person, _hand(call)))


async def object_to(call: Call[Objection]) -> Done:
    """Record that somebody objects to the marketing of an organisation, or to all."""
    scope = call.message.scope
    call.scope(scope)
    if "." in scope:
        raise unusable("scope", "not an organisation")
    person = _person(call, call.message.email)
    return _done(call, "object", person, await rights.object_to(call.context.store, person, scope, _hand(call)))


def _person(call: Call[R], email: str, where: str = "email") -> Person:
    call.reader(email, where)
    context = call.context
    stored = context.config.privacy.store_addresses
    return person_named(email, context.ring, context.site.foldings, store_addresses=stored)


def _hand(call: Call[R]) -> Hand:
    return Hand(call.actor, text_of(call.message.evidence), call.message.dry_run, call.context.now)


def _done(call: Call[R], right: str, person: Person, effects: Effects) -> Done:
    if not call.message.dry_run:
        _tell(call, right, person)
    told = [EffectTold(what=e.what, done=e.done, count=e.count, details=list(e.details)) for e in effects]
    return Done(subject=person.address, dry_run=call.message.dry_run, effects=told)


def _tell(call: Call[R], right: str, person: Person) -> None:
    address = {"address": person.address} if call.context.config.log.addresses else {}
    _log.info(
        "api_right", request=call.request, token=call.caller.name, subject=person.key.hex(), right=right, **address
    )

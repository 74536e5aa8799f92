"""Calls that change nothing: may this person be mailed, what changed, and which streams there are.

An answer holds what lies within the token's organisations. One thing reaches beyond: a suppression of everything (`*`)
decides the verdict for any stream, and is named as the reason then.
"""

from consentmilter.errors import UsageError
from consentmilter.model import Verdict
from consentmilter.policy.decide import Decision
from consentmilter.policy.site import Stream
from consentmilter.service.asking import ask
from consentmilter.service.changes import Change
from consentmilter.service.changes import changes as changes_since
from consentmilter.web.api.answers import ChangeTold, Checked, Feed, Streams, StreamTold
from consentmilter.web.api.calls import Call, name_of
from consentmilter.web.api.messages import Nothing, Place, Question
from consentmilter.web.api.problems import unusable


async def check(call: Call[Question]) -> Checked:
    """Say whether mail of a stream to somebody would be sent."""
    context, said = call.context, call.message
    stream = call.stream(said.stream)
    subject = call.subject(said)
    answer = await ask(context.store, context.ring, context.site.foldings, name_of(said), [stream], context.now())
    return _checked(subject.text, stream, answer.decisions[0])


async def changes(call: Call[Place]) -> Feed:
    """Tell the changes since a cursor, of the token's organisations."""
    said = call.message
    try:
        page = await changes_since(call.context.store, said.cursor or None, said.limit)
    except UsageError as error:
        raise unusable("cursor", str(error)) from None
    items = [_told(change) for change in page.items if call.caller.may_see(change.scope)]
    return Feed(items=items, cursor=page.cursor, more=page.more)


async def streams(call: Call[Nothing]) -> Streams:
    """Tell the streams of the token's organisations, with their categories."""
    known = call.context.site.streams.values()
    return Streams(streams=[_stream(each) for each in known if call.caller.may_see(each.name)])


def _checked(subject: str, stream: Stream, decision: Decision) -> Checked:
    return Checked(
        allowed=decision.verdict is Verdict.ACCEPT,
        subject=subject,
        stream=stream.name,
        category=stream.category.name,
        basis=stream.category.basis,
        mode=stream.mode,
        verdict=decision.verdict,
        bypassed=decision.bypassed,
        opted_in=decision.consent.at if decision.opted_in and decision.consent else None,
        reason=decision.reason,
        scope=decision.scope,
        since=decision.since,
    )


def _told(change: Change) -> ChangeTold:
    return ChangeTold(
        at=change.at,
        action=change.action,
        key=change.subject.hex(),
        subject=change.address,
        scope=change.scope,
        reason=change.reason,
        origin=change.origin,
        batch=change.batch,
    )


def _stream(stream: Stream) -> StreamTold:
    return StreamTold(
        stream=stream.name,
        organisation=stream.name.partition(".")[0],
        title=stream.title,
        description=stream.description,
        category=stream.category.name,
        exempt=stream.category.exempt,
        basis=stream.category.basis,
        mode=stream.mode,
    )

"""Screen one message: take its events in the MTA's order, answer them, and say at the end what to do.

`Screening` knows nothing of pymilter; the milter hands it what Postfix says, and `trace` what a file says. It asks the
store once a recipient where the envelope tells the stream, else once a message. It never raises for the store's sake:
mail that consent cannot be verified for is deferred, exempt mail goes unverified.
"""

from consentmilter import replies, routes
from consentmilter.addresses import canonical
from consentmilter.errors import AddressError, StoreError, TokenError
from consentmilter.headers import ROUTE, STATUS, Add, Edit, delete_all, status
from consentmilter.model import Mode, Verdict
from consentmilter.policy.classify import Classification, classify
from consentmilter.policy.decide import decide, undecidable
from consentmilter.policy.facts import shared_out
from consentmilter.policy.mail import Header, Headers, Principal
from consentmilter.policy.objections import Objection, object_to
from consentmilter.policy.settle import DELIVER, Outcome, Pass, Settlement, refuse_now, settle
from consentmilter.policy.site import MultiRecipient, Site, Stream
from consentmilter.replies import Reply
from consentmilter.service.bounding import bound
from consentmilter.service.candidate import Candidate
from consentmilter.service.desk import Desk, Record
from consentmilter.service.ending import Ending
from consentmilter.service.outgoing import Outgoing, outgoing


class Screening:
    """One message, from MAIL to its end."""

    def __init__(self, desk: Desk, principal: Principal, raw_sender: str) -> None:
        self.desk = desk
        self.site = desk.site
        self.principal = principal
        self.ref = desk.new_ref()
        self.queue_id: str | None = None
        self.raw_sender = raw_sender
        self.sender = _sender(raw_sender)
        self.stage = _stage(desk.site, principal)
        self.outbound = self.stage is not Pass.ONLY or desk.site.outbound.includes(principal)
        self._unreadable = False
        self._fields: list[Header] = []
        self._candidates: list[Candidate] = []
        self._known: Classification | None = None
        if self.outbound and self.stage is not Pass.SECOND:
            self._known = classify(self.site, principal, self.sender, None)

    def rcpt(self, raw: str, resolved: str | None = None) -> Reply | None:
        """The answer to one RCPT: a refusal, or None to let the recipient in.

        `resolved` is the address that Postfix reads out of `raw` ({rcpt_addr}), where it says so: it follows comments,
        percent and bang paths, and delivers `a(b)@c` and `c!a` to `a@c`. Where the two differ, whoever either names
        counts.
        """
        if not self.outbound:
            return None
        try:
            candidate = Candidate.of(raw, resolved, self.desk.ring, self.site.foldings)
        except AddressError:
            return self._answer_unreadable()
        reply = self._answer(self._known, candidate) if self._known else None
        if reply is None:
            self._candidates.append(candidate)
        return reply

    def header(self, name: str, value: str) -> None:
        """Take one header field; `name` in lower case."""
        self._fields.append(Header(name, value))

    def finish(self) -> Ending:
        """What becomes of the message."""
        if not self.outbound:
            return Ending()
        headers = Headers(tuple(self._fields))
        try:
            found = self._classify(headers)
        except TokenError as error:
            self.desk.notice("route_refused", ref=self.ref, queue_id=self.queue_id, cause=str(error))
            return Ending(replies.no_route(self.ref))
        if found.stream is not None:
            self._decide(found.stream, [c for c in self._candidates if c.decided is None])
        people = len({c.person for c in self._candidates if not self._refusable(c)})
        unreadable = self._unreadable and self._enforced(found)
        objection = object_to(self.site, found, headers, people=people, stage=self.stage, unreadable=unreadable)
        if objection is not None:
            return self._object(found, headers, objection)
        bound(self.desk, found, self._candidates)
        return self._settle(found, headers)

    # Recipients

    def _answer_unreadable(self) -> Reply | None:
        enforced = self._enforced(self._known) if self._known else self.site.mode is Mode.ENFORCE
        self.desk.notice("address_unreadable", ref=self.ref, queue_id=self.queue_id)
        if enforced and not self.principal.non_smtp:
            return replies.objected(Objection.BAD_ADDRESS, None, None, self.ref)
        # Mail from sendmail(1) must not be refused before its end, and the header may tell of an enforced stream.
        self._unreadable = True
        return None

    def _answer(self, found: Classification, candidate: Candidate) -> Reply | None:
        """The answer to a recipient of a message whose stream the envelope tells."""
        stream = found.stream
        if stream is not None:
            self._decide(stream, [candidate])
        if not self._enforced(found) or self.principal.non_smtp:
            return None
        if stream is None:
            return self._object_to_one(found, candidate, Objection.NO_STREAM) if found.unwanted else None
        if refuse_now(candidate.decision, non_smtp=False):
            self._record_own(found, candidate)
            return self._refusal(stream, [candidate])
        reply = self._answer_further(found, stream, candidate)
        if reply is None and not bound(self.desk, found, [candidate]):
            self._record_own(found, candidate)
            return self._refusal(stream, [candidate])
        return reply

    def _answer_further(self, found: Classification, stream: Stream, candidate: Candidate) -> Reply | None:
        """The answer to a further recipient of a message whose header can hold one person's link only."""
        another = any(c.person != candidate.person for c in self._candidates)
        if not another or not stream.unsubscribe_header or self.stage is not Pass.ONLY:
            return None
        match stream.multi_recipient:
            case MultiRecipient.SPLIT:
                return replies.split(self.ref)
            case MultiRecipient.REJECT:
                return self._object_to_one(found, candidate, Objection.SEVERAL_RECIPIENTS)
            case _:
                return None

    def _object_to_one(self, found: Classification, candidate: Candidate, objection: Objection) -> Reply:
        self._record(found, candidate, Verdict.REJECT, objection)
        return replies.objected(objection, found.stream, None, self.ref)

    # End of message

    def _classify(self, headers: Headers) -> Classification:
        if self.stage is not Pass.SECOND:
            found = classify(self.site, self.principal, self.sender, headers)
            assert found is not None  # with the header there, every rule says yes or no
            return found
        client = self.principal.client
        if client is None or not client.is_loopback:
            raise TokenError(f"the listener behind the loop was reached from {client}, not from loopback")
        values = headers.values(ROUTE.lower())
        if len(values) != 1:
            raise TokenError(f"there are {len(values)} fields {ROUTE}, not 1")
        route = routes.read(values[0], self.sender, _message_id(headers), self.desk.ring, self.desk.now())
        if route.stream is None:
            return Classification(None)
        if route.stream not in self.site.streams:
            raise TokenError(f"the route leads to {route.stream}, which is not set up here")
        return Classification(self.site.streams[route.stream], right=route.right)

    def _object(self, found: Classification, headers: Headers, objection: Objection) -> Ending:
        for candidate in self._candidates:
            if self._refusable(candidate):
                self._record_own(found, candidate)
            else:
                self._record(found, candidate, Verdict.REJECT, objection)
        if self._enforced(found):
            return Ending(replies.objected(objection, found.stream, found.false_claim, self.ref))
        return self._deliver(found, headers, DELIVER)

    def _settle(self, found: Classification, headers: Headers) -> Ending:
        stream = found.stream
        if stream is None:
            for candidate in self._candidates:
                self._record(found, candidate, Verdict.ACCEPT, Objection.NO_STREAM)
            return self._deliver(found, headers, DELIVER)
        recipients = [c.recipient() for c in self._candidates if not self._refusable(c)]
        settlement = settle(stream, recipients, non_smtp=self.principal.non_smtp, stage=self.stage)
        self._record_settled(found, stream, settlement)
        if not stream.enforced:
            return self._deliver(found, headers, DELIVER)
        if settlement.outcome is not Outcome.DELIVER:
            refused = set(settlement.refused)
            return Ending(self._refusal(stream, [c for c in self._candidates if c.recipient() in refused]))
        return self._deliver(found, headers, settlement)

    def _deliver(self, found: Classification, headers: Headers, settlement: Settlement) -> Ending:
        removed = dict.fromkeys(recipient.raw for recipient in settlement.remove)
        edits = self._own_edits(found, headers, tag=settlement.tag)
        along = Outgoing()
        if found.stream is not None and self.stage is not Pass.FIRST:
            kept = [c for c in self._candidates if c.raw not in removed]
            along = outgoing(self.desk, found.stream, headers, self.sender, self._people(found.stream, kept))
        return Ending(
            remove=tuple(removed),
            edits=(*edits, *along.edits),
            quarantine="opted out" if settlement.hold else None,
            sender=along.sender,
            copy_to=along.copy_to,
        )

    def _own_edits(self, found: Classification, headers: Headers, *, tag: bool) -> list[Edit]:
        """The edits of our own fields: a foreign X-Consent-Status or X-Consent-Route does not leave the system."""
        if self.stage is Pass.ONLY and not self._enforced(found):
            return []
        edits = delete_all(ROUTE, headers) + delete_all(STATUS, headers)
        if tag and found.stream is not None:
            edits.append(status(found.stream))
        if self.stage is Pass.FIRST:
            route = routes.Route(found.stream.name if found.stream else None, found.right, self.desk.now())
            edits.append(Add(ROUTE, routes.make(route, self.sender, _message_id(headers), self.desk.ring)))
        return edits

    def _people(self, stream: Stream, candidates: list[Candidate]) -> list[bytes]:
        """The subject keys of those who get the message; none where somebody among them cannot be told."""
        people = list(dict.fromkeys(c.person for c in candidates))
        if (len(people) != 1 or self._unreadable) and stream.unsubscribe_header:
            self.desk.notice(
                "several_recipients", ref=self.ref, queue_id=self.queue_id, stream=stream.name, recipients=len(people)
            )
        return [] if self._unreadable else people

    # Deciding and telling

    def _refusable(self, candidate: Candidate) -> bool:
        """Whether the recipient is here only because of observe mode: to be refused at RCPT, had it been enforced."""
        return self._known is not None and refuse_now(candidate.decision, non_smtp=self.principal.non_smtp)

    def _enforced(self, found: Classification) -> bool:
        mode = found.stream.mode if found.stream else self.site.mode
        return mode is Mode.ENFORCE

    def _decide(self, stream: Stream, candidates: list[Candidate]) -> None:
        if not candidates:
            return
        try:
            found = self.desk.look_up(
                [subject for c in candidates for subject in c.subjects],
                lambda: [digest for c in candidates for digest in c.digests()],
            )
        except StoreError as error:
            self.desk.notice("store_unavailable", ref=self.ref, queue_id=self.queue_id, cause=str(error))
            for candidate in candidates:
                candidate.decided = undecidable(stream)
            return
        now = self.desk.now()
        people = ((candidate.keys, candidate.own) for candidate in candidates)
        for candidate, facts in zip(candidates, shared_out(found, people), strict=True):
            candidate.decided = decide(stream, facts, now)

    def _refusal(self, stream: Stream, candidates: list[Candidate]) -> Reply:
        if any(c.decision.unverified for c in candidates):
            return replies.store_away(self.ref)
        if candidates[0].decision.over_limit:
            return replies.over_limit([c.raw for c in candidates], stream, candidates[0].decision.verdict, self.ref)
        if stream.action is Verdict.DEFER:
            return replies.deferred([c.raw for c in candidates], stream, self.ref)
        return replies.refused([(c.raw, c.decision) for c in candidates], self.site, stream, self.ref)

    def _record_settled(self, found: Classification, stream: Stream, settlement: Settlement) -> None:
        refused, removed = set(settlement.refused), set(settlement.remove)
        for candidate in self._candidates:
            recipient = candidate.recipient()
            reason = candidate.reason
            if self._refusable(candidate):
                self._record_own(found, candidate)
            elif settlement.outcome is not Outcome.DELIVER:
                verdict = Verdict(settlement.outcome)
                self._record(found, candidate, verdict, reason if recipient in refused else "mixed")
            elif recipient in removed:
                self._record(found, candidate, Verdict.REMOVE, reason)
            elif self.stage is Pass.FIRST:
                self._record(found, candidate, Verdict.ACCEPT, reason)  # what is left to do, the second pass does
            else:
                self._record_own(found, candidate)

    def _record_own(self, found: Classification, candidate: Candidate) -> None:
        self._record(found, candidate, candidate.decision.verdict, candidate.reason)

    def _record(self, found: Classification, candidate: Candidate, verdict: Verdict, reason: str | None) -> None:
        stream = found.stream
        decision = candidate.decision
        done = verdict is Verdict.ACCEPT or self._enforced(found)
        self.desk.record(
            Record(
                ref=self.ref,
                queue_id=self.queue_id,
                principal=self.principal,
                sender=self.raw_sender,
                recipient=candidate.raw,
                subject=candidate.person,
                verdict=verdict if done else f"would-{verdict}",
                reason=reason,
                bypassed=decision.bypassed and verdict is Verdict.ACCEPT,
                opted_in=decision.opted_in and verdict is Verdict.ACCEPT,
                nameless=candidate.is_nameless,
                scope=decision.scope,
                stream=stream.name if stream else None,
                category=stream.category.name if stream else None,
                rule=found.rule,
                right=found.right,
                false_claim=found.false_claim,
                stage=self.stage,
                mode=stream.mode if stream else self.site.mode,
            )
        )


def _stage(site: Site, principal: Principal) -> Pass:
    if site.loop.second is not None and principal.listener == site.loop.second:
        return Pass.SECOND
    if any(glob.matches(principal.listener) for glob in site.loop.first):
        return Pass.FIRST
    return Pass.ONLY


def _sender(raw: str) -> str:
    try:
        return str(canonical(raw))
    except AddressError:
        return raw.strip("<> ").lower()  # the null sender, or what no rule will match


def _message_id(headers: Headers) -> str | None:
    return next(iter(headers.values("message-id")), None)

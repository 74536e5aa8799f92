"""Why a message is refused as a whole."""

import pytest

from consentmilter.policy.classify import Classification
from consentmilter.policy.mail import Header, Headers
from consentmilter.policy.objections import Objection, object_to
from consentmilter.policy.settle import Pass
from consentmilter.policy.site import Existing, FalseClaim, MultiRecipient
from tests.unit.making import site, stream

NONE = Headers()
LINK = Headers((Header("list-unsubscribe", "<https://theirs.example>"),))
PICKY = stream(existing=Existing.REJECT, multi_recipient=MultiRecipient.REJECT)


def objection(
    found: Classification, headers: Headers = NONE, *, people: int = 1, stage: Pass = Pass.ONLY, **changes: FalseClaim
) -> Objection | None:
    return object_to(site(**changes), found, headers, people=people, stage=stage, unreadable=False)


def test_an_address_that_cannot_be_read_comes_first() -> None:
    """Whatever else there is to object to."""
    found = Classification(None, unwanted=True)
    assert object_to(site(), found, NONE, people=1, stage=Pass.ONLY, unreadable=True) is Objection.BAD_ADDRESS


def test_mail_of_no_stream_is_refused_only_where_it_is_unwanted() -> None:
    """`unclassified: reject`."""
    assert objection(Classification(None, unwanted=True)) is Objection.NO_STREAM
    assert objection(Classification(None), LINK, people=9) is None


def test_a_false_claim_is_refused_where_the_site_says_so() -> None:
    """Else it is only told."""
    found = Classification(stream("bulk"), false_claim="acme.security")
    assert objection(found) is None
    assert objection(found, false_claim=FalseClaim.REJECT) is Objection.FALSE_CLAIM
    assert objection(Classification(stream("bulk")), false_claim=FalseClaim.REJECT) is None


@pytest.mark.parametrize("existing", Existing)
def test_a_link_of_the_senders_own_is_refused_where_the_stream_says_so(existing: Existing) -> None:
    """Under `reject` only."""
    found = Classification(stream(existing=existing))
    assert objection(found, LINK) is (Objection.OWN_UNSUBSCRIBE if existing is Existing.REJECT else None)
    assert objection(found) is None


@pytest.mark.parametrize("setting", MultiRecipient)
@pytest.mark.parametrize("stage", Pass)
@pytest.mark.parametrize("people", [0, 1, 2])
def test_several_recipients_are_refused_where_the_stream_says_so(
    setting: MultiRecipient, stage: Pass, people: int
) -> None:
    """Not before the split, which is there to make one message of each."""
    found = Classification(stream(multi_recipient=setting))
    refused = setting is MultiRecipient.REJECT and people == 2 and stage is not Pass.FIRST
    assert objection(found, people=people, stage=stage) is (Objection.SEVERAL_RECIPIENTS if refused else None)


def test_a_stream_without_the_header_minds_neither_links_nor_recipients() -> None:
    """There is no link of ours that could reach another."""
    exempt = stream("acme.security", "security-patch", existing=Existing.REJECT, multi_recipient=MultiRecipient.REJECT)
    assert objection(Classification(exempt), LINK, people=9) is None
    assert objection(Classification(PICKY), LINK, people=9) is Objection.OWN_UNSUBSCRIBE

"""The private OpenDKIM: what it signs is valid to another implementation, and covers what RFC 8058 asks for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.client import Client, message
from lab.opendkim import OpenDkim
from lab.postfix import Postfix, cannot_run
from lab.process import session_members
from lab.sink import Sink

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))

ONE_CLICK = {"List-Unsubscribe": "<https://u.example/u/1>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


@pytest.fixture
def signer(directory: Path) -> Iterator[OpenDkim]:
    with OpenDkim(directory) as signer:
        yield signer


def test_signed_mail_verifies_and_covers_both_list_fields(directory: Path, signer: OpenDkim) -> None:
    """The signature is OpenDKIM's, the verdict dkimpy's; one changed octet is found."""
    settings = {"smtpd_milters": signer.socket}
    with Sink() as sink, Postfix(directory, sink_port=sink.port, main=settings) as postfix:
        with Client(postfix.port()) as smtp:
            smtp.send(message(headers=ONE_CLICK), "bob@example.org").expects(250)
        (delivered,) = sink.wait(1)
    result = signer.verify(delivered.content)
    assert result.valid
    assert {"list-unsubscribe", "list-unsubscribe-post", "from"} <= set(result.signed_headers)
    assert not signer.verify(delivered.content.replace(b"/u/1", b"/u/2")).valid


def test_unsigned_mail_does_not_verify(signer: OpenDkim) -> None:
    """No signature is no valid signature."""
    result = signer.verify(message())
    assert not result.valid
    assert result.signed_headers == []


def test_a_stopped_signer_leaves_no_process(directory: Path) -> None:
    """It runs in the foreground, as a child of ours."""
    with OpenDkim(directory) as signer:
        session = signer.process.pid
        assert session_members(session) == [session]
        assert os.getsid(session) == session
    assert session_members(session) == []

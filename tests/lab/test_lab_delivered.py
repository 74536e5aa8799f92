"""Messages of the laboratory: built octet by octet, and read octet by octet."""

import pytest

from lab.client import message
from lab.delivered import Delivered
from lab.directory import public_directory
from lab.errors import LabError
from lab.ports import free_port
from lab.sink import Sink


def delivered(content: bytes) -> Delivered:
    return Delivered("a@x.example", (), ("b@x.example",), content)


def test_fields_are_read_unfolded_in_any_case_and_in_order() -> None:
    """A continuation line belongs to its field; duplicates stay."""
    mail = delivered(b"X-A: 1\r\nSubject: long\r\n  line\r\nx-a:2\r\nBroken\r\n\r\nX-A: body\r\n")
    assert mail.fields == [("X-A", "1"), ("Subject", "long  line"), ("x-a", "2")]
    assert mail.headers("x-A") == ["1", "2"]
    assert mail.header("subject") == "long  line"
    assert mail.header("absent") is None
    assert mail.body == b"X-A: body\r\n"


def test_a_header_that_must_stand_alone_is_an_error_when_doubled() -> None:
    """Two List-Unsubscribe fields are a fault that no test should overlook."""
    with pytest.raises(AssertionError, match="2 fields"):
        delivered(b"A: 1\r\nA: 2\r\n\r\n").header("a")


def test_a_given_header_replaces_the_usual_one() -> None:
    """Pairs may repeat a name; octets go out as they are."""
    mail = delivered(message(headers=[("Subject", "ü"), ("SUBJECT", b"\xff"), ("X-A", "1")], body=b"\xfe"))
    assert mail.headers("Subject") == ["ü", "\udcff"]
    assert mail.header("From") == "news@test.example"
    assert mail.body == b"\xfe"


def test_an_empty_sink_is_not_waited_for_forever() -> None:
    """And a sink can be stopped before it was started, and twice."""
    sink = Sink()
    with sink, pytest.raises(LabError, match=r"0 messages in 0.1 s, not 1"):
        sink.wait(1, timeout=0.1)
    sink.stop()
    Sink().stop()


def test_a_public_directory_can_be_entered_by_all_and_goes_away() -> None:
    """Servers with a user of their own live there."""
    with public_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o755
    assert not directory.exists()


def test_a_free_port_is_out_of_the_way_of_outgoing_connections() -> None:
    """Below the range from which the kernel takes theirs."""
    assert 1024 < free_port() < 32768

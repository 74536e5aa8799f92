"""docs/api.md against the API: its examples, its calls, its statuses and its fields."""

import json
import re
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import pytest

from consentmilter.config import parse
from consentmilter.config.roles import Verb
from consentmilter.web.api.answers import Answer, ChangeTold, Checked, ConsentTold, DossierTold
from consentmilter.web.api.messages import Addition, Grant, Message, Place, Request, Right
from consentmilter.web.api.openapi import description
from consentmilter.web.api.operations import OPERATIONS
from tests.docs.pages import codes, page, table, yaml_examples
from tests.store.support import run
from tests.unit.making import RING
from tests.web.api_site import calling, context_with, make_site_store

PAGE = page("api.md")
TOKEN = "token-of-the-shop"

_EXAMPLE = re.compile(
    r"^\$ curl -H \"Authorization: Bearer \$token\" \"?http://127\.0\.0\.1:8026([^\s\"]+)\"?(?: --json '(.*)')?\n(.*)$",
    re.MULTILINE,
)


def test_every_operation_stands_on_the_page() -> None:
    """With its method and path as a heading."""
    headings = [line for line in PAGE.splitlines() if line.startswith("### `")]
    assert headings == [f"### `{each.method} {each.path}`" for each in OPERATIONS]


def test_the_examples_are_what_the_api_answers(tmp_path: Path) -> None:
    """One after the other on an empty list, with the configuration of the page."""
    examples = _EXAMPLE.findall(PAGE)
    assert len(examples) == PAGE.count("$ curl")
    url = make_site_store(tmp_path)
    # Nobody has the tokens of the digests on the page: whoever copies it must not open a door.
    shown = re.sub(r"(shop:\s+sha256: )\w+", rf"\g<1>{sha256(TOKEN.encode()).hexdigest()}", yaml_examples(PAGE)[0])
    config = parse(f"store: {{url: '{url}'}}\nmode: enforce\n{shown}", "api.md")

    async def scene() -> list[str]:
        async with context_with(config, RING) as context, calling(context) as api:
            told = []
            for path, body, _ in examples:
                headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
                method = "POST" if body else "GET"
                told.append((await api.client.request(method, path, content=body, headers=headers)).text)
            return told

    assert run(scene()) == [answer for *_, answer in examples]


@pytest.mark.parametrize(
    ("model", "heading"),
    [
        (Addition, ("field", "meaning")),
        (Checked, ("field of the answer", "meaning")),
        (Place, ("parameter", "meaning")),
        (ChangeTold, ("field of a change", "meaning")),
        (Grant, ("field of a consent", "meaning")),
        (Request, ("field of a request", "meaning")),
        (ConsentTold, ("field of a recorded consent", "meaning")),
        (Right, ("field of a person's request", "meaning")),
    ],
)
def test_every_field_is_documented_and_no_other(model: type[Message | Answer], heading: tuple[str, str]) -> None:
    """In the table of its call."""
    documented = [name for row in table(PAGE, *heading) for name in codes(row[0])]
    assert sorted(documented) == sorted(model.model_fields)


def test_a_dossier_has_the_keys_that_the_command_writes() -> None:
    """As the page about rights lists them, to which the page of the API leads."""
    rows = table(page("rights.md"), "key of `subject export --json`", "meaning")
    assert [name for row in rows for name in codes(row[0])] == list(DossierTold.model_fields)


def test_every_call_is_named_as_the_metrics_count_it() -> None:
    """All of them, in the order of the page."""
    [sentence] = re.findall(r"^`call` is (.*)\.$", PAGE, re.MULTILINE)
    assert codes(sentence) == [each.name for each in OPERATIONS]


def test_every_status_is_documented_and_no_other() -> None:
    """Those that the description tells of, and those of wrong paths and methods."""
    documented = {int(status) for row in table(PAGE, "status", "meaning") for status in row[0].split(", ")}
    told = {int(status) for methods in description()["paths"].values() for each in methods.values()
            for status in each["responses"]}  # fmt: skip
    assert documented == told - {HTTPStatus.OK} | {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


def test_every_verb_is_documented_and_no_other() -> None:
    """As the configuration takes them."""
    assert {verb for row in table(PAGE, "verb", "good for") for verb in codes(row[0])} == set(get_args(Verb))


def test_the_example_of_an_error_has_the_shape_of_one() -> None:
    """As every problem of the API."""
    [text] = re.findall(r"```json\n(.*)\n```", PAGE)
    schema = description()["components"]["schemas"]["ProblemDetails"]
    assert set(json.loads(text)) == set(schema["properties"])

"""The description of the API, and that the API is as described: schemathesis calls it over a real server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from consentmilter.store.migrate import migrate
from consentmilter.store.schema import JOURNAL
from consentmilter.web.api.operations import OPERATIONS
from tests.web.api_server import Served, served
from tests.web.api_site import SITE, VERBS, authorization

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The API of a site."""
    directory = tmp_path_factory.mktemp("site")
    migrate(f"sqlite:///{directory}/journal.db", JOURNAL)
    with served(directory, {"web": {"pages_per_minute": 100_000}}) as each:
        yield each


def described(server: Served) -> Any:
    """The description, as anybody gets it."""
    answer = httpx.get(f"{server.url}/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


def narrowed(told: Any, cursor: str) -> Any:
    """The description with the streams, domains and cursors that there are: it itself says nothing of a site.

    Nor does it say what time it is: a consent from the future is refused.
    """
    known = {
        "scope": ["acme"],
        "stream": ["acme.newsletter"],
        "domain": ["example.com"],
        "new_email": ["b@example.com"],
    }
    schemas = told["components"]["schemas"]
    said = {each.message.__name__ for each in OPERATIONS if each.method == "POST"} | {"Addition"}
    for model in said - {"Removal"}:
        properties = schemas[model]["properties"]
        for name in known.keys() & properties.keys():
            properties[name]["enum"] = known[name]
    schemas["Removal"]["properties"]["domain"]["enum"] = known["domain"]
    schemas["Grant"]["properties"]["at"] = {"enum": ["2026-01-01T00:00:00Z", None]}
    del schemas["Batch"]["properties"]["items"]["maxItems"]  # a thousand items take their time
    told["paths"]["/v1/changes"]["get"]["parameters"][0]["schema"]["enum"] = [cursor]
    return told


def test_every_operation_is_described_and_no_other(server: Served) -> None:
    """With its answer, and the problems that it can have."""
    paths = described(server)["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert found == {(each.method, each.path) for each in OPERATIONS}
    assert all(each["summary"] for methods in paths.values() for each in methods.values())


def test_the_description_says_nothing_of_the_site(server: Served) -> None:
    """It is served without a token."""
    told = json.dumps(described(server))
    named = [*SITE["organisations"], *SITE["streams"], *SITE["api"]["tokens"]]
    assert [name for name in named if name not in (*VERBS, "all") and name in told] == []


@pytest.mark.timeout(400)
def test_the_api_is_as_described(server: Served, tmp_path: Path) -> None:
    """What is described is taken and what is not is refused, with statuses, types and shapes as they are told."""
    cursor = httpx.get(f"{server.url}/v1/changes", headers=authorization("all")).json()["cursor"]
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(narrowed(described(server), cursor)), encoding="utf-8")
    token = authorization("all")["Authorization"]
    done = subprocess.run(
        [SCHEMATHESIS, "run", file, "--url", server.url, "-H", f"Authorization: {token}", "--phases",
         "examples,coverage,fuzzing", "--max-examples", "8", "--seed", "1", "--generation-deterministic",
         "--no-shrink", "--no-color", "--continue-on-failure"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(OPERATIONS)}" in done.stdout

"""docs/promises.md: every promise has what keeps it and a proof that exists, is run, and is not switched off."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, page, table
from tests.docs.proofs import HEADING, found, is_switched_off, passed, proofs, unproven

PROMISES = [
    *("S1", "S2", "S3", "S4", "S5", "S6", "A1", "A2", "A3", "A4", "A5", "A6", "A9", "Z2", "Z3", "Z5", "Z7", "Z8"),
    *("M1", "M2", "H1", "H2", "H3", "H4", "H5", "H6", "H7", "H9"),
]
"""What five senders promise, by the page's ids: Sendmail, Axigen, Zarafa, MXroute (M), MSH Software (H)."""

TEXT = page("promises.md")
PROOFS = proofs(TEXT)
NODES = sorted({node for nodes in PROOFS.values() for node in nodes})

JUNIT = """
<testsuites><testsuite>
  <testcase classname="tests.cli.test_a" name="test_one[x]"/>
  <testcase classname="tests.cli.test_a" name="test_one[y]"/>
  <testcase classname="tests.cli.test_a" name="test_two[x]"/>
  <testcase classname="tests.cli.test_a" name="test_two[y]"><failure/></testcase>
  <testcase classname="tests.cli.test_b" name="test_three"><skipped/></testcase>
  <testcase classname="tests.cli.test_b" name="test_four"><error/></testcase>
</testsuite></testsuites>
"""


def test_every_promise_stands_on_the_page_and_no_other() -> None:
    """In their order, each once."""
    assert [row[0] for row in table(TEXT, *HEADING)] == PROMISES


def test_every_promise_says_by_whom_what_and_how() -> None:
    """And has a proof."""
    for row in table(TEXT, *HEADING):
        assert len(row) == len(HEADING), row[0]
        assert all(row), row[0]
        assert PROOFS[row[0]], row[0]


@pytest.mark.parametrize("node", NODES)
def test_a_proof_is_a_test_that_counts(node: str) -> None:
    """It exists under this name, and no mark keeps it from running."""
    test = found(node)
    assert test is not None, "there is no such test"
    assert not is_switched_off(test)


def test_every_proof_is_part_of_the_run(request: pytest.FixtureRequest) -> None:
    """As far as its file is: a run of everything runs every proof."""
    chosen = request.config.getoption("keyword") or request.config.getoption("markexpr")
    if chosen or any("::" in argument for argument in request.config.args):
        return  # somebody asked for these tests and no others
    collected = {item.nodeid.partition("[")[0] for item in request.session.items}
    files = {node.partition("::")[0] for node in collected}
    assert {node for node in NODES if node.partition("::")[0] in files} <= collected


def test_a_run_of_everything_leaves_no_proof_out() -> None:
    """Every file is below the directory that is run, and neither the settings nor a conftest.py pass any test over."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert settings["testpaths"] == ["tests"]
    assert all(node.startswith("tests/") and "/test_" in node for node in NODES)
    narrowing = ("-k", "-m", "--deselect", "--ignore", "--exitfirst", "-x", "--maxfail", "--lf")
    assert not [option for option in settings["addopts"] if option.startswith(narrowing)]
    assert not {"norecursedirs", "python_files", "python_functions", "collect_ignore"} & set(settings)
    for path in (ROOT / "tests").rglob("conftest.py"):
        assert not re.search(r"pytest_collection_modifyitems|pytest_ignore_collect|collect_ignore", path.read_text())


@pytest.mark.parametrize(
    ("node", "there"),
    [
        ("tests/docs/test_promises.py::test_every_promise_stands_on_the_page_and_no_other", True),
        ("tests/docs/test_promises.py::test_of_another_name", False),
        ("tests/docs/test_promises.py::found", False),
        ("tests/docs/test_promises.py", False),
        ("tests/docs/test_nothing.py::test_nothing", False),
    ],
)
def test_a_proof_that_is_not_there_would_be_noticed(node: str, there: bool) -> None:
    """The search can fail."""
    assert (found(node) is not None) is there


@pytest.mark.parametrize("mark", ["skip", "skipif(True, reason='no')", "xfail"])
def test_a_proof_that_is_switched_off_would_be_noticed(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that never runs proves nothing."""
    (tmp_path / "test_x.py").write_text(f"@pytest.mark.{mark}\ndef test_x(): ...\n\ndef test_y(): ...\n")
    monkeypatch.setattr("tests.docs.proofs.ROOT", tmp_path)
    off, on = found("test_x.py::test_x"), found("test_x.py::test_y")
    assert off is not None
    assert on is not None
    assert (is_switched_off(off), is_switched_off(on)) == (True, False)


def test_a_proof_counts_if_it_passed_with_all_of_its_parameters() -> None:
    """One that failed, was skipped or did not run leaves its promise unproven."""
    assert passed(JUNIT) == {"tests/cli/test_a.py::test_one"}
    row = "| {} | a | b | c | `tests/cli/test_a.py::{}` |\n"
    heading = f"| {' | '.join(HEADING)} |\n|---|---|---|---|---|\n"
    text = heading + row.format("P1", "test_one") + row.format("P2", "test_two") + row.format("P3", "test_five")
    assert unproven(text, JUNIT) == {
        "P2": ["tests/cli/test_a.py::test_two"],
        "P3": ["tests/cli/test_a.py::test_five"],
    }


def test_this_run_can_be_recorded_as_a_proof(tmp_path: Path) -> None:
    """What pytest writes is what is read, parameters included."""
    nodes = [
        "tests/docs/test_promises.py::test_every_promise_says_by_whom_what_and_how",
        "tests/docs/test_promises.py::test_a_proof_that_is_not_there_would_be_noticed",
    ]
    junit = tmp_path / "junit.xml"
    plugins = ("no:cacheprovider", "pytest_timeout", "pytest_rerunfailures")
    command = [sys.executable, "-m", "pytest", "-q", *(f"-p{plugin}" for plugin in plugins)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(
        [*command, f"--junitxml={junit}", *nodes],
        cwd=ROOT,
        env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=True,
        timeout=100,
    )
    assert passed(junit.read_text(encoding="utf-8")) == set(nodes)

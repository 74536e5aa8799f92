"""deploy/systemd: the units that remove what was kept long enough."""

import re
from pathlib import Path

import pytest

from consentmilter.config import Config
from lab.milter import PROGRAM
from tests.docs.units import DIRECTORY, settings, tool

UNITS = ["consentmilter-prune.service", "consentmilter-prune.timer"]
PRUNE, TIMER = map(settings, UNITS)
SERVICE = settings("consentmilter.service")

MOST_EXPOSURE = 1.5


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a directory, with a program that exists, since systemd looks for it."""
    for name in UNITS:
        text = (DIRECTORY / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", text, flags=re.MULTILINE))
    return tmp_path


def verified(directory: Path) -> str:
    """What systemd has to say against the units."""
    done = tool("systemd-analyze", "verify", "--man=no", *sorted(directory.iterdir()))
    return done.stdout + done.stderr


def test_systemd_takes_the_units_of_prune(installed: Path) -> None:
    """No unknown key, no value that is ignored."""
    assert verified(installed) == ""


@pytest.mark.parametrize("name", UNITS)
def test_a_setting_of_prune_that_systemd_does_not_know_would_be_noticed(installed: Path, name: str) -> None:
    """The test above can fail."""
    unit = installed / name
    unit.write_text(re.sub(r"^(\[(Service|Timer)\])$", r"\1\nWorng=yes", unit.read_text(), flags=re.MULTILINE))
    assert "Worng" in verified(installed)


def test_prune_is_hardly_exposed(installed: Path) -> None:
    """As systemd itself scores it: 0 is best, 10 worst."""
    done = tool("systemd-analyze", "security", "--offline=yes", installed / UNITS[0])
    score = re.search(rf"Overall exposure level for {UNITS[0]}: (\d+\.\d+)", done.stdout)
    assert score, done.stdout + done.stderr
    assert float(score[1]) <= MOST_EXPOSURE


def test_prune_runs_as_the_service_does_and_can_write_the_store_alone() -> None:
    """What it makes there belongs to the same user, under the same restrictions."""
    own = {"Description", "After", "Type", "ExecStart", "Nice", "ReadWritePaths", "SystemCallFilter"}
    same = set(PRUNE) - own
    assert {name: PRUNE[name] for name in same} == {name: SERVICE.get(name) for name in same}
    assert PRUNE["SystemCallFilter"] == SERVICE["SystemCallFilter"][:2]
    assert PRUNE["ReadWritePaths"] == [str(Path(Config().store.url.removeprefix("sqlite:///")).parent)]
    assert PRUNE["ExecStart"][0].endswith("/consentmilter prune")


def test_the_timer_makes_up_for_what_was_missed() -> None:
    """A machine that is off at night prunes when it comes back."""
    assert TIMER["Persistent"] == ["true"] or TIMER["Persistent"] == ["yes"]
    assert TIMER["WantedBy"] == ["timers.target"]

"""`consentmilter config`: check, show and schema."""

import json
import os
import threading

import pytest
import yaml

from consentmilter.cli.output import without_password
from consentmilter.config import Config, parse
from tests.cli.installation import SITE, Installation

WRONG = """
mode: enforcing
milter: {wrokers: 2}
streams:
  acme.newsletter: {category: marketting}
"""


WAYS_BACK = {
    "web": {"listen": "127.0.0.1:8025"},
    "intake": {"socket": "unix:/run/consentmilter/intake.sock", "authserv_ids": "mx.example.com"},
}
"""Without these, `config check` warns that links and addresses lead nowhere."""


def set_up_ways_back(site: Installation) -> None:
    site.configure(**yaml.safe_load(site.config_file.read_text()), **WAYS_BACK)


def test_a_good_configuration_is_said_to_be_good(site: Installation) -> None:
    """With nothing on standard error."""
    set_up_ways_back(site)
    done = site.run("config", "check")
    assert (done.out, done.err) == (f"{site.config_file}: good\n", "")


def test_what_is_hardly_meant_is_a_warning(site: Installation) -> None:
    """On standard error, and no fault."""
    site.configure(streams={"acme.newsletter": {}})
    done = site.run("config", "check")
    assert done.out == f"{site.config_file}: good\n"
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["warning"] * 4
    assert "warning: streams: no rule leads to acme.newsletter\n" in done.err


def test_every_fault_is_shown_at_once(site: Installation) -> None:
    """Each with its line and key path; exit code 2."""
    site.config_file.write_text(WRONG)
    done = site.run("config", "check", code=2)
    assert done.out == ""
    place = f"error: {site.config_file}"
    lines = done.err.splitlines()
    assert lines[:2] == [
        f"{place}:2: mode: unknown value 'enforcing' (use observe, enforce)",
        f"{place}:3: milter.wrokers: unknown key (did you mean workers?)",
    ]
    assert lines[2].startswith(f'{place}:5: streams["acme.newsletter"].category: unknown category')
    assert len(lines) == 3


@pytest.mark.parametrize("words", [["check", "a@x.example"], ["init"], ["run"], ["config", "show"]])
def test_every_command_shows_every_fault(site: Installation, words: list[str]) -> None:
    """Before it does anything."""
    site.config_file.write_text(WRONG)
    done = site.program(*words, code=2)
    assert done.out == "" or words in (["run"], ["init"])
    assert (done.err + done.out).count("wrokers") == 1
    assert (done.err + done.out).count("marketting") == 1


def test_a_fault_of_the_keys_is_one_of_the_configuration(site: Installation) -> None:
    """It says where they are looked for."""
    set_up_ways_back(site)
    site.keys.unlink()
    done = site.run("config", "check", code=2)
    assert done.err == f"error: keys.file: {site.keys}: there is no such file (consentmilter init makes one)\n"


def test_a_missing_configuration_is_named_with_the_mend(bare: Installation) -> None:
    """By every command."""
    bare.config_file.unlink()
    for words in (["config", "check"], ["check", "a@x.example"], ["explain", "a@x.example"], ["import", "-"]):
        done = bare.run(*words, code=2)
        assert done.err == f"error: {bare.config_file}: there is no such file (consentmilter init makes one)\n"


def test_check_prints_json(site: Installation) -> None:
    """The same keys for good and bad."""
    keys = ["file", "faults", "warnings"]
    set_up_ways_back(site)
    good = site.run("config", "check", "--json").json
    assert (list(good), good["faults"], good["warnings"]) == (keys, [], [])
    site.config_file.write_text(WRONG)
    bad = site.run("config", "check", "--json", code=2).json
    assert (list(bad), len(bad["faults"])) == (keys, 3)


def test_show_prints_everything_that_is_in_force(site: Installation) -> None:
    """Defaults included, as a configuration that can be used again."""
    shown = site.run("config", "show").out
    assert parse(shown, "shown").dump() == yaml.safe_load(shown)
    assert set(yaml.safe_load(shown)) == set(Config.model_fields)
    assert site.run("config", "show", "--json").json == yaml.safe_load(shown)
    site.config_file.write_text(shown)
    assert site.run("config", "show").out == shown


def test_show_leaves_passwords_out(bare: Installation) -> None:
    """Of the store and of the journal."""
    url = "postgresql://consent:s3cr:et@db.example:5432/consent?sslmode=require&password=s3cret2"
    bare.configure(**SITE, store={"url": url, "journal": url})
    for words in (["config", "show"], ["config", "show", "--json"]):
        done = bare.run(*words)
        assert "s3cr" not in done.out + done.err
        assert done.out.count("postgresql://consent:***@db.example:5432/consent?sslmode=require&password=***") == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/consent.db", "sqlite:////var/lib/consent.db"),
        ("sqlite:////srv/a:b@c/consent.db", "sqlite:////srv/a:b@c/consent.db"),
        ("postgresql://db.example/consent", "postgresql://db.example/consent"),
        ("postgresql://me@db.example/consent", "postgresql://me@db.example/consent"),
        ("postgresql://me:p@ss/w:rd@db.example/consent", "postgresql://me:***@db.example/consent"),
        ("postgresql://:pass@db.example/consent", "postgresql://:***@db.example/consent"),
        ("postgresql+psycopg://me:pass@[::1]/consent", "postgresql+psycopg://me:***@[::1]/consent"),
        ("postgresql:///consent?password=pass&user=me", "postgresql:///consent?password=***&user=me"),
        ("postgresql:///consent?user=me&PASSWORD=pass", "postgresql:///consent?user=me&PASSWORD=***"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """However it is written; the rest stays."""
    assert without_password(url) == shown


def test_schema_is_that_of_the_configuration(bare: Installation) -> None:
    """It needs no configuration to be there."""
    bare.config_file.unlink()
    assert bare.run("config", "schema").json == Config.model_json_schema()


def test_a_configuration_may_come_from_a_pipe(site: Installation) -> None:
    """As from a shell's <(...), which can be read only once."""
    ours = site.directory / "pipe"
    os.mkfifo(ours)
    writer = threading.Thread(target=ours.write_text, args=(site.config_file.read_text(),))
    writer.start()
    site.config_file = ours
    site.run("check", "a@x.example")
    writer.join(10)


def test_texts_of_any_script_are_shown_on_any_terminal(site: Installation) -> None:
    """In full where the encoding has them, else escaped."""
    site.configure(**{**SITE, "organisations": {"acme": {"title": "Größe 大"}}})
    assert "Größe 大" in site.program("config", "show").out
    assert site.program("config", "show", "--json").json["organisations"]["acme"]["title"] == "Größe 大"
    plain = {"PYTHONIOENCODING": "ascii"}
    done = site.program("config", "show", environment=plain)
    assert "Gr\\xf6\\xdfe \\u5927" in done.out
    shown = site.program("config", "show", "--json", environment=plain).out
    assert shown.isascii()
    assert json.loads(shown) == site.run("config", "show", "--json").json

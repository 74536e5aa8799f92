"""deploy/postfix and deploy/opendkim against the installed programs, and docs/postfix.md against the fragments."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from consentmilter.config import Config, parse
from lab.directory import public_directory
from tests.docs.pages import ROOT, page, table
from tests.docs.postfix_fragments import SITES, install, run, services, settings, text

PAGE = page("postfix.md")

OPENDKIM = ROOT / "deploy" / "opendkim" / "opendkim.conf"
CLEAN = (0, "", "")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place that Postfix's own user can enter."""
    with public_directory("fragments-") as path:
        (path / "queue").mkdir()
        (path / "data").mkdir()
        yield path


@pytest.mark.parametrize("site", SITES)
def test_postconf_takes_the_fragments_without_a_warning(site: str, directory: Path) -> None:
    """An unknown or misspelt name would be an "unused parameter"."""
    config = install(site, directory)
    code, printed, complaints = run("postconf", "-c", config, "-n")
    assert (code, complaints) == (0, "")
    assert set(settings(site)) <= {line.partition(" = ")[0] for line in printed.splitlines()}


@pytest.mark.parametrize("site", SITES)
def test_postfix_check_finds_nothing_wrong(site: str, directory: Path) -> None:
    """As root, since Postfix lets nobody else check."""
    if os.geteuid() != 0:
        pytest.skip("postfix check is for root only")
    shutil.chown(directory / "data", "postfix")
    assert run("postfix", "-c", install(site, directory), "check") == CLEAN


def test_the_checks_find_what_is_wrong(directory: Path) -> None:
    """A misspelt parameter in either file does not get past the tests above."""
    config = install("loop", directory)
    with (config / "main.cf").open("a") as file:
        file.write("header_size_limt = 60000\n")
    assert "header_size_limt" in run("postconf", "-c", config, "-n")[2]


@pytest.mark.parametrize("site", SITES)
def test_while_the_milter_is_away_mail_waits(site: str) -> None:
    """Every listener that sets its own milters refers to the one entry that says tempfail."""
    assert "default_action=tempfail" in settings(site)["consentmilter"]
    lists = [settings(site)["smtpd_milters"], settings(site)["non_smtpd_milters"]]
    lists += [service.options["smtpd_milters"] for service in services(site) if "smtpd_milters" in service.options]
    assert all(milters.startswith("$consentmilter") for milters in lists)


@pytest.mark.parametrize("site", SITES)
def test_the_socket_is_the_one_that_consentmilter_makes_by_default(site: str) -> None:
    """Relative to the queue directory, which is where Debian's daemons are chrooted."""
    relative = re.search(r"unix:([\w./]+)", settings(site)["consentmilter"])
    assert relative
    assert Config().milter.socket == f"unix:/var/spool/postfix/{relative[1]}"


@pytest.mark.parametrize("site", SITES)
def test_postfix_waits_longer_than_a_look_up_may_take(site: str) -> None:
    """The longest deadline that the configuration allows is below the time-outs, which are 30 seconds each."""
    assert "content_timeout=30s" in settings(site)["consentmilter"]
    with pytest.raises(ValueError, match="less than or equal to 20"):
        Config.model_validate({"milter": {"deadline": "21s"}})


@pytest.mark.parametrize("site", SITES)
def test_headers_stay_below_what_libmilter_takes(site: str) -> None:
    """65,535 octets with name and end (mfdef.h)."""
    assert int(settings(site)["header_size_limit"]) < 65_000


@pytest.mark.parametrize("site", SITES)
def test_error_limits_are_raised_on_services_only(site: str) -> None:
    """In main.cf they would be raised for strangers."""
    assert not any("error" in name or "junk" in name for name in settings(site))
    assert any("smtpd_hard_error_limit" in service.options for service in services(site))


@pytest.mark.parametrize("site", SITES)
def test_the_configuration_knows_the_listeners_by_the_names_that_they_have(site: str) -> None:
    """What classify, outbound and loop name is a milter_macro_daemon_name of the same site."""
    config = parse(text(site, "consentmilter.yaml"), site)
    named = {*config.outbound.listeners, *config.loop.first, *filter(None, [config.loop.second])}
    named |= {listener for rule in config.classify for listener in rule.listener}
    there = {service.options.get("milter_macro_daemon_name") for service in services(site)}
    assert named <= there


@pytest.mark.parametrize("site", SITES)
def test_the_page_explains_every_line(site: str) -> None:
    """Each parameter that a fragment sets is named on the page."""
    names = set(settings(site)) | {name for service in services(site) for name in service.options}
    assert {name for name in names if name not in PAGE} == set()


@pytest.mark.parametrize("site", SITES)
def test_the_page_lists_every_site(site: str) -> None:
    """And the fragments say which one they are."""
    [row] = [row for row in table(PAGE, "directory", "site") if row[0] == f"`deploy/postfix/{site}`"]
    letter = row[1][:3]
    assert all(f"site {letter}" in text(site, name) for name in ("main.cf", "master.cf", "consentmilter.yaml"))


def test_every_line_of_postfix_on_the_page_stands_in_a_fragment() -> None:
    """The page quotes the fragments; only the variant at its end is not in them, as it says."""
    quoted = re.findall(r"^    (\S.*)$", PAGE.partition("### Checking the people behind an alias")[0], re.MULTILINE)
    fragments = [text(site, name) for site in SITES for name in ("main.cf", "master.cf")]
    lines = {line.strip() for fragment in [*fragments, OPENDKIM.read_text()] for line in fragment.splitlines()}
    assert len(quoted) > 30
    assert [line for line in quoted if line not in lines] == []


def test_opendkim_takes_its_fragment(directory: Path) -> None:
    """`opendkim -n` reads the configuration and stops."""
    key = directory / "opendkim.key"
    assert run("openssl", "genrsa", "-out", key, "2048")[0] == 0
    key.chmod(0o600)
    whole = directory / "opendkim.conf"
    # Temporary directories lie below one that everybody can write to, which OpenDKIM would refuse for keys.
    whole.write_text(f"RequireSafeKeys no\nDomain example.com\nSelector lab\nKeyFile {key}\n{OPENDKIM.read_text()}")
    assert run("opendkim", "-n", "-x", whole)[0] == 0
    whole.write_text(whole.read_text() + "SignHaeders x\n")
    assert run("opendkim", "-n", "-x", whole)[0] != 0

"""`consentmilter init`: what it makes, for whom, and that it can be run again whatever happened before."""

import grp
import os
import pwd
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from consentmilter.errors import KeyFileError
from consentmilter.keys import KeyRing
from consentmilter.service import keyfile, newfile, setup
from consentmilter.store import migrate
from lab.directory import public_directory
from tests.cli.crashing import crashes
from tests.cli.installation import SITE, Done, Installation, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")

SERVICE = 4_000_001, 4_000_002
"""The numbers of a user and a group that nobody has."""


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The service's user and group, as if they were there."""
    user = pwd.struct_passwd(("consentmilter", "x", *SERVICE, "", "/", "/bin/false"))
    group = grp.struct_group(("consentmilter", "x", SERVICE[1], []))
    monkeypatch.setattr(pwd, "getpwnam", {"consentmilter": user}.__getitem__)
    monkeypatch.setattr(grp, "getgrnam", {"consentmilter": group}.__getitem__)
    return SERVICE


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No user of the service, on whatever machine the tests run; `account` makes one."""
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)


@pytest.fixture(autouse=True)
def _plain_umask() -> Iterator[None]:
    """The umask of most systems."""
    before = os.umask(0o022)
    yield
    os.umask(before)


class File(NamedTuple):
    """What is to be known of a file."""

    mode: str
    owner: tuple[int, int]
    content: bytes | None


def files(directory: Path) -> dict[str, File]:
    """Everything below a directory; of a database only that it is there, since SQLite writes it as it likes."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.stat()
        content = path.read_bytes() if path.suffix == ".yaml" else None
        found[str(path.relative_to(directory))] = File(f"{stat.S_IMODE(status.st_mode):o}", status[4:6], content)
    return found


def modes(directory: Path) -> dict[str, str]:
    return {name: each.mode for name, each in files(directory).items()}


def owners(directory: Path) -> dict[str, tuple[int, int]]:
    return {name: each.owner for name, each in files(directory).items()}


def test_init_makes_what_is_missing_and_says_so(bare: Installation) -> None:
    """The keys are for their owner and group, the store's directory for the group, which readers write to as well."""
    done = bare.run("init")
    assert done.lines == [
        f"kept configuration: {bare.config_file}",
        f"made keys: {bare.keys}",
        f"made store: sqlite:///{bare.store}",
        f"made journal: sqlite:///{bare.journal}",
    ]
    assert done.err.startswith("note: the files belong to who ran this; the service's user is consentmilter")
    assert modes(bare.directory).items() >= {
        ("keys.yaml", "640"),
        ("state", "2770"),
        ("state/consent.db", "660"),
        ("state/journal.db", "660"),
    }
    assert set(owners(bare.directory).values()) == {(os.geteuid(), os.getegid())}
    bare.run("check", "a@x.example")


def test_init_twice_changes_nothing_and_says_so(site: Installation) -> None:
    """Neither keys nor modes nor what is on the list."""
    site.run("add", "a@x.example")
    before = files(site.directory), site.rows()
    done = site.run("init")
    assert [line.partition(" ")[0] for line in done.lines] == ["kept"] * 4
    assert done.err == ""
    assert (files(site.directory), site.rows()) == before


def test_init_makes_a_configuration_to_begin_with(tmp_path: Path) -> None:
    """It is the starter of the package; what it says lies outside of this directory, so only its making is shown."""
    path = tmp_path / "etc" / "consentmilter.yaml"
    assert setup.make_config(path) == "made"
    assert setup.make_config(path) == "kept"
    assert yaml.safe_load(path.read_text()) == {"mode": "observe"}
    assert modes(tmp_path) == {"etc": "755", "etc/consentmilter.yaml": "640"}


def test_init_prints_json(bare: Installation) -> None:
    """Place and state of everything, the first time and later."""
    first, second = (bare.run("init", *words, "--json").json for words in ([], ["--new-token-key"]))
    assert {name: each["state"] for name, each in first.items() if each} == {
        "configuration": "kept",
        "keys": "made",
        "store": "made",
        "journal": "made",
    }
    assert first["token_key"] is None
    assert list(first) == list(second) == ["configuration", "keys", "store", "journal", "token_key"]
    assert second["store"] == {"place": f"sqlite:///{bare.store}", "state": "kept"}
    assert second["token_key"] == 2


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077, 0o777])
def test_the_modes_are_the_same_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """A careful admin's umask would lock the service out, a careless one would let everybody in."""
    os.umask(umask)
    site = Installation(tmp_path)
    site.config_file.chmod(0o600)
    assert setup.make_config(tmp_path / "etc" / "consentmilter.yaml") == "made"
    site.run("init")
    assert modes(tmp_path).items() >= {
        ("etc", "755"),
        ("etc/consentmilter.yaml", "640"),
        ("keys.yaml", "640"),
        ("state", "2770"),
        ("state/consent.db", "660"),
        ("state/consent.db-lock", "660"),
        ("state/journal.db", "660"),
    }


@needs_root
def test_root_gives_the_service_what_it_needs(bare: Installation, account: tuple[int, int]) -> None:
    """The store is its own; the keys it reads and cannot change."""
    done = bare.run("init")
    assert done.err == ""
    found = owners(bare.directory)
    assert found.pop("consentmilter.yaml") == (0, account[1])
    assert found.pop("keys.yaml") == (0, account[1])
    assert set(found) >= {"state", "state/consent.db", "state/consent.db-lock", "state/journal.db"}
    assert set(found.values()) == {account}


@needs_root
def test_what_was_made_before_there_was_an_account_is_given_later(site: Installation, account: tuple[int, int]) -> None:
    """Root ran init too early; it is run again."""
    site.run("init")
    found = owners(site.directory)
    assert found.pop("keys.yaml") == (0, account[1])
    assert {name: owner for name, owner in found.items() if name.startswith("state")}.values()
    assert {owner for name, owner in found.items() if name.startswith("state")} == {account}


@needs_root
@pytest.mark.usefixtures("account")
def test_what_belongs_to_somebody_is_left_to_them(site: Installation) -> None:
    """The admin has reasons. A directory that is not of the store's mode is not the store's alone."""
    os.chown(site.keys, 12345, 12345)
    os.chown(site.store, 12345, 12345)
    os.chown(site.store.parent, 0, 0)
    site.store.parent.chmod(0o755)
    site.run("init")
    found = owners(site.directory)
    assert [found[name] for name in ("keys.yaml", "state/consent.db", "state")] == [(12345, 12345)] * 2 + [(0, 0)]


@pytest.mark.parametrize("part", ["store", "journal"])
def test_what_is_missing_is_made_anew_and_the_rest_is_kept(site: Installation, part: str) -> None:
    """As after somebody removed one of them."""
    if part == "store":
        for path in site.store.parent.glob("consent.db*"):
            path.unlink()
    else:
        site.journal.unlink()
    states = {name: each["state"] for name, each in site.run("init", "--json").json.items() if each}
    assert {name for name, state in states.items() if state == "made"} == {part}


def test_lost_keys_are_not_replaced(site: Installation) -> None:
    """New ones would fit neither the list nor the links in mail that was sent; they belong to a new store."""
    site.keys.unlink()
    for _ in range(2):
        done = site.run("init", code=2)
        assert done.err == (
            f"error: {site.keys}: there is no such file, but the store was made with one: put that one back "
            f"(without it, the store can only be begun anew: move {site.store} away)\n"
        )
    site.store.rename(site.directory / "old.db")
    assert [line.partition(" ")[0] for line in site.run("init").lines] == ["kept", "made", "made", "kept"]


def test_what_was_made_before_a_fault_is_told(bare: Installation) -> None:
    """In both forms."""
    bare.configure(**SITE, store={"url": "nonsense"})
    assert bare.run("init", code=3).out == f"kept configuration: {bare.config_file}\n"
    bare.configure(**SITE, store={"url": f"sqlite:///{bare.store}", "journal": "nonsense"})
    assert list(bare.run("init", "--json", code=3).json) == ["configuration", "keys", "store", "token_key"]


def test_a_missing_parent_is_named(bare: Installation) -> None:
    """Of any of the places; nothing is made of a path that is mistyped."""
    above = bare.directory / "no" / "such"
    assert (
        run("--config", above / "consentmilter.yaml", "init").err
        == f"error: {above}: the directory above it is missing\n"
    )
    bare.configure(**SITE, keys={"file": str(above / "keys.yaml")})
    assert bare.run("init", code=2).err == f"error: {above}: the directory above it is missing\n"
    bare.configure(**SITE, store={"url": f"sqlite:///{above}/consent.db"})
    assert bare.run("init", code=2).err == f"error: {above}: the directory above it is missing\n"
    bare.configure(**SITE, store={"url": f"sqlite:///{bare.store}", "journal": f"sqlite:///{above}/journal.db"})
    assert bare.run("init", code=2).err == f"error: {above}: the directory above it is missing\n"
    assert not above.parent.exists()


def test_a_file_in_the_way_of_a_directory_is_named(bare: Installation) -> None:
    """In a sentence."""
    bare.file("state", "")
    done = bare.run("init", code=2)
    assert done.err == f"error: {bare.directory}/state: Not a directory\n"


def test_a_directory_that_cannot_be_written_is_named(bare: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is let in everywhere, so the refusal is made here."""

    def refused(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "link", refused)
    assert bare.run("init", code=2).err == f"error: {bare.keys}: Permission denied\n"
    assert not bare.keys.exists()


def test_a_configuration_that_is_wrong_stops_init(bare: Installation) -> None:
    """Before keys are made at a place that nobody meant."""
    bare.config_file.write_text("keys: {fiel: /nowhere}\n")
    assert "did you mean file?" in bare.run("init", code=2).err
    assert [path.name for path in bare.directory.iterdir()] == ["consentmilter.yaml"]


def test_a_store_that_something_else_lives_in_is_left_alone(bare: Installation) -> None:
    """Exit code 3, with the mend."""
    bare.store.parent.mkdir()
    bare.alter("CREATE TABLE other (x)")
    assert "already holds other tables (other): use a file of its own" in bare.run("init", code=3).err


def test_a_password_in_a_url_is_not_shown(bare: Installation) -> None:
    """Neither by init nor by its refusal."""
    bare.configure(**SITE, store={"url": "postgresql://consent:s3cret@127.0.0.1:1/consent"})
    done = bare.run("init", code=3)
    assert "s3cret" not in done.out + done.err
    assert "postgresql://consent@127.0.0.1:1/consent" in done.err


def test_a_second_key_file_is_never_written_over_the_first(tmp_path: Path) -> None:
    """Twenty at once: one makes it, the others keep it, and no draft of theirs is left."""
    path = tmp_path / "keys.yaml"
    made: list[bool] = []
    together = threading.Barrier(20)

    def make() -> None:
        together.wait(30)
        made.append(keyfile.make_keys(path, os.urandom))

    threads = [threading.Thread(target=make) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(made) == [False] * 19 + [True]
    assert list(tmp_path.iterdir()) == [path]
    keyfile.read_keys(path)


def test_a_crash_at_any_point_is_completed_by_the_next_run(tmp_path: Path, account: tuple[int, int]) -> None:
    """Whatever the first run had got to, the second leaves what one run leaves, and a site that works."""
    whole, site = (Installation(tmp_path / name) for name in ("whole", "part"))
    whole.run("init")
    seen: set[frozenset[str]] = set()
    for _ in crashes(lambda: run("--config", site.config_file, "init")):
        seen.add(frozenset(modes(site.directory)))
        site.run("init")
        assert modes(site.directory) == modes(whole.directory)
        assert owners(site.directory) == owners(whole.directory)
        site.run("check", "a@x.example")
        _empty(site)
    assert len(seen) > 5
    assert account


def test_a_crash_while_the_configuration_is_made_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    """A part of it would be kept for ever."""
    path = tmp_path / "etc" / "consentmilter.yaml"
    for _ in crashes(lambda: setup.make_config(path)):
        assert not path.exists() or yaml.safe_load(path.read_text()) == {"mode": "observe"}
        setup.make_config(path)
        assert modes(tmp_path) == {"etc": "755", "etc/consentmilter.yaml": "640"}
        shutil.rmtree(path.parent)


def test_a_crash_while_a_token_key_is_added_stops_no_mail(site: Installation) -> None:
    """The store and the key file agree at every point, and the next run ends what the first began."""
    spare = site.directory.with_name("spare")
    shutil.copytree(site.directory, spare)
    for _ in crashes(lambda: run("--config", site.config_file, "init", "--new-token-key")):
        site.run("check", "a@x.example")
        before = keyfile.read_keys(site.keys)
        site.run("init", "--new-token-key")
        after = keyfile.read_keys(site.keys)
        assert after.token.items() > before.token.items()
        assert after.token_current == max(after.token) <= 3
        site.run("check", "a@x.example")
        assert not newfile.draft_of(site.keys).exists()
        shutil.rmtree(site.directory)
        shutil.copytree(spare, site.directory)


def test_a_key_that_was_not_kept_for_the_next_run_would_be_noticed(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: the store knows a key of that number already, and it is another."""
    monkeypatch.setattr(keyfile, "take_draft", _stopped)
    assert site.run("init", "--new-token-key", code=4).err
    monkeypatch.undo()
    with monkeypatch.context() as broken:
        broken.setattr(keyfile, "_left_behind", lambda *_: None)
        assert "was made with another key 'token-2'" in site.run("init", "--new-token-key", code=3).err


def test_a_key_file_that_knows_more_than_the_store_would_be_noticed(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so would the other order be: file first, store behind it."""
    monkeypatch.setattr(migrate, "record_keys", _stopped)
    keyfile.add_token_key(site.keys, os.urandom, lambda _: None)
    assert "does not know the key 'token-2'" in site.run("check", "a@x.example", code=3).err


def test_a_new_token_key_signs_and_older_ones_stay(site: Installation) -> None:
    """Until there are as many as there is room for."""
    before = keyfile.read_keys(site.keys)
    done = site.run("init", "--new-token-key")
    assert done.lines[-1] == "made token key 2: it signs new links once the milter is reloaded"
    after = keyfile.read_keys(site.keys)
    assert (after.subject, after.token[1], after.token_current) == (before.subject, before.token[1], 2)
    assert modes(site.directory)["keys.yaml"] == "640"
    full = KeyRing(1, before.subject, 31, {number: bytes([number]) * 32 for number in range(1, 32)})
    site.keys.write_text(full.render())
    for path in site.store.parent.glob("consent.db*"):
        path.unlink()
    assert "remove the oldest" in site.run("init", "--new-token-key", code=2).err


def test_a_draft_of_other_keys_is_not_taken(site: Installation) -> None:
    """Somebody put another key file in place since."""
    other = KeyRing(1, b"x" * 32, 2, {1: b"y" * 32, 2: b"z" * 32})
    for content in (other.render(), "no yaml: [", ""):
        newfile.draft_of(site.keys).write_text(content)
        site.run("init", "--new-token-key")
        assert other.token[2] not in keyfile.read_keys(site.keys).token.values()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "the key file has no token.keys"),
        (b"\xff\xfe", "this is no key file (octet 0 is not ASCII)"),
        (b"subject: [", "the key file is not YAML"),
        (b"subject: {id: 1, key: c2hvcnQ=}\ntoken: {current: 1, keys: {1: c2hvcnQ=}}\n", "octets, not 32"),
    ],
)
def test_a_damaged_key_file_is_named(site: Installation, content: bytes, cause: str) -> None:
    """With its path; exit code 2, and init does not write over it."""
    site.keys.write_bytes(content)
    for words in (["check", "a@x.example"], ["init"], ["init", "--new-token-key"]):
        done = site.run(*words, code=2)
        assert done.err.startswith(f"error: {site.keys}: ")
        assert cause in done.err
    assert site.keys.read_bytes() == content


def test_a_key_file_that_is_missing_or_closed_is_named(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mend."""
    site.keys.unlink()
    missing = f"error: {site.keys}: there is no such file (consentmilter init makes one)\n"
    assert site.run("check", "a@x.example", code=2).err == missing
    site.keys.mkdir()
    assert site.run("check", "a@x.example", code=2).err == f"error: {site.keys}: Is a directory\n"

    def closed(*_arguments: object, **_options: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(KeyFileError, match="not readable for this user"):
        keyfile.read_keys(site.keys)


@needs_root
def test_a_user_who_may_not_read_the_keys_is_told() -> None:
    """As any user would be, by the real file modes."""
    with public_directory() as directory:
        site = Installation(directory)
        site.run("init")
        site.run("check", "a@x.example")
        told = f"error: {site.keys}: not readable for this user (it belongs to root, group consentmilter)\n"
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            done = run("--config", site.config_file, "check", "a@x.example")
            os._exit(done != Done(2, "", told))
        assert os.waitpid(child, 0)[1] == 0


def _stopped(*_arguments: object) -> None:
    raise RuntimeError("cut short")


def _empty(site: Installation) -> None:
    site.keys.unlink()
    shutil.rmtree(site.store.parent)
    os.chown(site.config_file, os.geteuid(), os.getegid())

"""docs/configuration.md against the models of the configuration, both ways."""

import re

import pytest
import yaml

from tests.docs.config_keys import Key, keys
from tests.docs.pages import code_headings, page

KEYS = keys()
PAGE = code_headings(page("configuration.md"))
DOCUMENTED = {re.sub(r"\b[A-Z]+\b", "*", heading): body for heading, body in PAGE.items()}
LEAVES = sorted(path for path, key in KEYS.items() if not key.holds_keys)


def test_every_key_is_documented_and_nothing_else() -> None:
    """A key without a section, and a section without a key, are both faults of the page."""
    assert sorted(DOCUMENTED) == sorted(KEYS)


def test_the_walk_over_the_models_finds_keys_at_every_depth() -> None:
    """Sections, maps of sections, lists of sections, and what lies in them: else the test above proves little."""
    assert {"mode", "milter.socket", "streams.*.category", "classify[].allow.login"} <= set(KEYS)
    assert "organisations.*.unsubscribe.url" in KEYS
    assert len(LEAVES) > 50


@pytest.mark.parametrize("path", sorted(KEYS))
def test_the_page_says_what_the_schema_says(path: str) -> None:
    """The description in the schema stands in the key's section, as lines of their own."""
    assert KEYS[path].description in " ".join(DOCUMENTED[path])


@pytest.mark.parametrize("path", LEAVES)
def test_the_documented_default_is_the_default(path: str) -> None:
    """The first line of a key's section gives its kind of value and its default, or that it has none."""
    kind, _, default = DOCUMENTED[path][0].rpartition("; ")
    assert kind, f"{path} has no kind of value"
    assert default.endswith(".")
    assert said_rightly(KEYS[path], default.removesuffix("."))


def test_a_wrong_default_would_be_noticed() -> None:
    """The comparison of the test above fails for what is not so."""
    assert not said_rightly(KEYS["milter.deadline"], "default `3s`")
    assert not said_rightly(KEYS["milter.deadline"], "not set by default")
    assert not said_rightly(KEYS["reply.help_url"], "required")
    assert not said_rightly(KEYS["organisations.*.title"], "not set by default")
    assert not said_rightly(KEYS["streams.*.mixed"], "default `reject`")


@pytest.mark.parametrize("path", LEAVES)
def test_every_key_has_an_example_that_sets_it(path: str) -> None:
    """The example stands in the key's own section."""
    name = path.rpartition(".")[2]
    body = DOCUMENTED[path]
    assert "```yaml" in body
    assert any(re.search(rf"(^|[ {{]){name}:", line) for line in body[body.index("```yaml") :])


def said_rightly(key: Key, default: str) -> bool:
    """Whether that is what the model does where the key is not set."""
    if default == "required":
        return key.field.is_required()
    if key.field.is_required():
        return False
    if default == "not set by default":
        return key.field.default is None
    match = re.fullmatch(r"default `([^`]+)`", default)
    assert match, f"{key.path}: {default!r} says no default"
    return key.given(yaml.safe_load(match[1])).dump() == key.absent().dump()

"""The layers of the program, held true by reading its imports: nothing points back, and pure modules do no I/O.

    errors, model  <-  pure  <-  store  <-  service  <-  milter | supervisor | cli

`config` stands on the pure modules, `log` and `control` beside them. Edges do not import each other; `cli` starts them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import consentmilter

ROOT = Path(consentmilter.__file__).parent

LAYERS = {
    "words": {"errors", "model"},
    "pure": {
        "addresses",
        "chain",
        "checkpoints",
        "exporters",
        "globs",
        "hashes",
        "headers",
        "importers",
        "keys",
        "ledger",
        "minisign",
        "policy",
        "replies",
        "reports",
        "routes",
        "subjects",
        "tokens",
        "undo",
    },
    "config": {"config"},
    "log": {"log"},
    "control": {"control", "serving"},
    "store": {"store"},
    "service": {"service"},
    "milter": {"milter"},
    "supervisor": {"supervisor"},
    "web": {"web"},
    "intake": {"intake"},
    "cli": {"cli"},
    "start": {"__main__"},
}
"""Which top-level modules and packages make up each layer."""

BELOW_THE_EDGES = {"words", "pure", "config", "log", "control", "store", "service"}
MAY_IMPORT = {
    "words": set[str](),
    "pure": {"words"},
    "config": {"words", "pure"},
    "log": set[str](),
    "control": {"words", "pure", "config", "log"},
    "store": {"words", "pure"},
    "service": {"words", "pure", "config", "log", "store"},
    "milter": BELOW_THE_EDGES,
    "supervisor": BELOW_THE_EDGES,
    "web": BELOW_THE_EDGES,
    "intake": BELOW_THE_EDGES,
    "cli": BELOW_THE_EDGES | {"milter", "supervisor"},
    "start": {"cli"},
}
"""Which other layers each may import."""

HARMLESS = {
    "base64",
    "binascii",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "html",
    "ipaddress",
    "itertools",
    "json",
    "re",
    "shlex",
    "types",
    "typing",
    "unicodedata",
}
"""The standard library without files, sockets, clock, randomness and environment, as far as it is in use."""

LIBRARIES = {
    "words": HARMLESS,
    "pure": HARMLESS | {"email.header", "idna", "nacl", "yaml"},
    "config": HARMLESS | {"idna", "yaml", "pydantic", "pydantic_core", "pathlib"},
}
"""What the layers that do no I/O may import of others. `config` has paths among its values."""

READS_A_FILE = {"config.load"}
"""The one module of these layers that does read a file."""

IO_CALLS = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"}
IO_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "open", "exists", "stat", "unlink", "mkdir"}
CLOCKS = {"now", "utcnow", "today"}


def modules() -> dict[str, Path]:
    """Every module of the program by its dotted name below `consentmilter`; migrations are Alembic's, not ours."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name and not name.startswith("store.migrations"):
            found[name] = path
    return found


MODULES = modules()


def layer_of(module: str) -> str | None:
    """The layer of a module below `consentmilter`."""
    top = module.partition(".")[0]
    return next((layer for layer, members in LAYERS.items() if top in members), None)


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names of everything that is imported, wherever it stands: `from a import b` is `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they point"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(layer: str, text: str) -> list[str]:
    """The imports in `text` that a module of `layer` must not have."""
    allowed = MAY_IMPORT[layer] | {layer}
    wrong = []
    for name in imported(ast.parse(text)):
        package, _, rest = name.partition(".")
        if package == "consentmilter":
            if rest != "__version__" and layer_of(rest) not in allowed:
                wrong.append(name)
        elif not any(f"{name}.".startswith(f"{library}.") for library in LIBRARIES.get(layer, {package})):
            wrong.append(name)
    return wrong


def deeds(text: str) -> list[str]:
    """Calls in `text` that read or write something, ask the clock, or run code."""
    done = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in IO_CALLS:
                done.append(name)
            case ast.Attribute(attr=name) if name in IO_METHODS:
                done.append(name)
            case ast.Attribute(attr=name, value=ast.Name(id="datetime" | "date")) if name in CLOCKS:
                done.append(f"datetime.{name}")
    return done


def test_every_module_has_its_layer() -> None:
    """A new one gets a line in the table above, and by that what it may import."""
    assert [name for name in MODULES if layer_of(name) is None] == []


def test_every_layer_is_made_of_what_is_there() -> None:
    """Nothing in the table that went away."""
    tops = {name.partition(".")[0] for name in MODULES}
    assert set().union(*LAYERS.values()) - tops == set()
    assert LAYERS.keys() == MAY_IMPORT.keys()


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_what_stands_above_or_beside_it(module: str) -> None:
    """And those that do no I/O no library that does."""
    layer = layer_of(module)
    assert layer is not None
    assert wrong_imports(layer, MODULES[module].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", [name for name in MODULES if layer_of(name) in LIBRARIES])
def test_pure_modules_do_no_io(module: str) -> None:
    """No file, no clock, no code from a text."""
    done = deeds(MODULES[module].read_text(encoding="utf-8"))
    assert done == (["read_text"] if module in READS_A_FILE else [])


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("words", "from consentmilter.addresses import canonical"),
        ("pure", "import os"),
        ("pure", "import os.path"),
        ("pure", "from time import time"),
        ("pure", "import random, re"),
        ("pure", "from pathlib import Path"),
        ("pure", "import sqlalchemy"),
        ("pure", "from consentmilter.config import Config"),
        ("pure", "from consentmilter import log"),
        ("pure", "def f():\n    import socket"),
        ("config", "from consentmilter.service.desk import Desk"),
        ("store", "from consentmilter.service import recorder"),
        ("store", "import consentmilter.config"),
        ("service", "from consentmilter.milter.session import Session"),
        ("service", "if TYPE_CHECKING:\n    from consentmilter.cli import app"),
        ("milter", "from consentmilter.supervisor.crew import Crew"),
        ("supervisor", "from consentmilter import milter"),
        ("milter", "from consentmilter.cli.site import Site"),
        ("milter", "from consentmilter.nowhere import something"),
    ],
)
def test_a_wrong_import_is_noticed(layer: str, line: str) -> None:
    """The check itself can fail."""
    assert wrong_imports(layer, line) != []


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("pure", "import re\nfrom collections.abc import Mapping"),
        ("pure", "import yaml\nfrom consentmilter.model import Reason\nfrom consentmilter import tokens"),
        ("service", "import os\nfrom consentmilter.store.reader import Reader"),
        ("cli", "from consentmilter.supervisor.supervisor import run\nfrom consentmilter import __version__"),
    ],
)
def test_a_right_import_is_left_alone(layer: str, line: str) -> None:
    """Nor does it see faults where none are."""
    assert wrong_imports(layer, line) == []


@pytest.mark.parametrize(
    "line",
    [
        "open('/etc/passwd')",
        "datetime.now(UTC)",
        "date.today()",
        "x = [print(y) for y in z]",
        "Path(a).read_text()",
        "def f():\n    return eval(a)",
    ],
)
def test_a_deed_is_noticed(line: str) -> None:
    """Calls of what reads, writes or asks the clock."""
    assert deeds(line) != []
    assert deeds("desk.now()\nmatch(a)\nf.update(b)") == []

"""How the code reads, as far as a test can tell; ruff and mypy tell the rest."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
EVERY = [*SOURCES, *TESTS, *sorted((ROOT / "lab").rglob("*.py")), *sorted((ROOT / "bench").rglob("*.py"))]

MAX_LINES = 320
MAX_FUNCTION_LINES = 50

_EXCUSE = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b(.*)")
_NAMED_WITH_REASON = re.compile(r"(?:\s*:\s*[A-Z0-9, ]+|\[[a-z, -]+\])\s*(?:-|#)\s*\S.*")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def comments(text: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def bare_excuses(text: str) -> list[str]:
    """The comments that silence a checker without naming the rule and the reason."""
    excuses = (match for comment in comments(text) if (match := _EXCUSE.search(comment)))
    return [match[0] for match in excuses if not _NAMED_WITH_REASON.fullmatch(match[1])]


def broad_handlers(text: str) -> list[int]:
    """The lines of handlers that catch everything, where no comment gives leave."""
    lines = text.splitlines()
    handlers = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler))
    return [
        handler.lineno for handler in handlers if _broad(handler) and "noqa: BLE001" not in lines[handler.lineno - 1]
    ]


def _broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )


@pytest.mark.parametrize("path", [path for path in EVERY if path.read_text(encoding="utf-8").strip()], ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """In a docstring; an empty __init__.py has nothing to say."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].strip()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_is_long(path: Path) -> None:
    """One noun a module; what grows beyond is two."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    """From its def to its last line."""
    long = [f.name for f in functions(path) if (f.end_lineno or f.lineno) - f.lineno >= MAX_FUNCTION_LINES]
    assert long == []


@pytest.mark.parametrize("path", EVERY, ids=name)
def test_no_checker_is_silenced_without_a_reason(path: Path) -> None:
    """A noqa or a type: ignore names its rule and says why."""
    assert bare_excuses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_catches_everything_but_an_edge(path: Path) -> None:
    """`except Exception` stands at a process or callback edge, with the leave to do so beside it."""
    assert broad_handlers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=name)
def test_every_test_says_what_it_shows(path: Path) -> None:
    """In its name and in a docstring."""
    tests = [function for function in functions(path) if function.name.startswith("test_")]
    assert [test.name for test in tests if not ast.get_docstring(test)] == []


@pytest.mark.parametrize(
    ("text", "excuses"),
    [
        ("x = 1  # noqa", 1),
        ("x = 1  # noqa: S105", 1),
        ("x = 1  # type: ignore", 1),
        ("x = 1  # type: ignore[attr-defined]", 1),
        ("x = 1  # noqa: S105 - no password", 0),
        ("x = 1  # type: ignore[attr-defined]  # set by the library", 0),
        ("x = '# noqa'  # no excuse", 0),
    ],
)
def test_a_bare_excuse_is_noticed(text: str, excuses: int) -> None:
    """The check itself can fail."""
    assert len(bare_excuses(text)) == excuses


@pytest.mark.parametrize(
    ("handler", "broad"),
    [
        ("except Exception:", True),
        ("except:", True),
        ("except BaseException as error:", True),
        ("except Exception:  # noqa: BLE001 - the callback edge", False),
        ("except OSError:", False),
        ("except (OSError, ValueError):", False),
    ],
)
def test_a_broad_handler_is_noticed(handler: str, broad: bool) -> None:
    """The check itself can fail."""
    assert bool(broad_handlers(f"try:\n    f()\n{handler}\n    pass\n")) is broad

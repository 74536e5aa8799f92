"""How the code reads, as far as a test can tell; ruff and mypy tell the rest."""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cache
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


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


def found(paths: Iterable[Path], faults: Callable[[Path], object]) -> dict[str, object]:
    """The files that have faults, with what they are; all in one test, since there are hundreds, and a few rules."""
    told = ((str(path.relative_to(ROOT)), faults(path)) for path in paths)
    return {name: fault for name, fault in told if fault}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def comments(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def bare_excuses(source: str) -> list[str]:
    """The comments that silence a checker without naming the rule and the reason."""
    if not _EXCUSE.search(source):
        return []  # to tell the comments from the rest takes long
    excuses = (match for comment in comments(source) if (match := _EXCUSE.search(comment)))
    return [match[0] for match in excuses if not _NAMED_WITH_REASON.fullmatch(match[1])]


def broad_handlers(source: str) -> list[int]:
    """The lines of handlers that catch everything, where no comment gives leave."""
    lines = source.splitlines()
    handlers = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler))
    return [
        handler.lineno for handler in handlers if _broad(handler) and "noqa: BLE001" not in lines[handler.lineno - 1]
    ]


def _broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    )


def test_every_module_says_what_it_is_for() -> None:
    """In a docstring; an empty __init__.py has nothing to say."""
    full = [path for path in EVERY if text(path).strip()]
    assert found(full, lambda path: not (ast.get_docstring(tree(path)) or "").split("\n")[0].strip()) == {}


def test_no_module_is_long() -> None:
    """One noun a module; what grows beyond is two."""
    assert found(SOURCES, lambda path: len(text(path).splitlines()) > MAX_LINES) == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """From its def to its last line."""

    def long(path: Path) -> list[str]:
        return [f.name for f in functions(path) if (f.end_lineno or f.lineno) - f.lineno >= MAX_FUNCTION_LINES]

    assert found(SOURCES, long) == {}


def test_no_checker_is_silenced_without_a_reason() -> None:
    """A noqa or a type: ignore names its rule and says why."""
    assert found(EVERY, lambda path: bare_excuses(text(path))) == {}


def test_nothing_catches_everything_but_an_edge() -> None:
    """`except Exception` stands at a process or callback edge, with the leave to do so beside it."""
    assert found(SOURCES, lambda path: broad_handlers(text(path))) == {}


def test_every_test_says_what_it_shows() -> None:
    """In its name and in a docstring."""

    def silent(path: Path) -> list[str]:
        tests = [function for function in functions(path) if function.name.startswith("test_")]
        return [test.name for test in tests if not ast.get_docstring(test)]

    assert found([path for path in TESTS if path.name.startswith("test_")], silent) == {}


def test_what_is_read_is_there() -> None:
    """The tests above hold something: the program, its tests, and files with faults among them would be told."""
    assert len(SOURCES) > 100
    assert len(TESTS) > 100
    assert found([Path(__file__)], lambda _: [1]) == {"tests/test_style.py": [1]}


@pytest.mark.parametrize(
    ("source", "excuses"),
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
def test_a_bare_excuse_is_noticed(source: str, excuses: int) -> None:
    """The check itself can fail."""
    assert len(bare_excuses(source)) == excuses


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

"""The documentation as data: pages, their sections, their tables and their examples."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    """The text of a page of docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def all_pages() -> dict[str, str]:
    """Every Markdown page of the repository, by its path."""
    paths = [*ROOT.glob("*.md"), *DOCS.glob("*.md")]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def code_headings(text: str) -> dict[str, list[str]]:
    """The lines below each heading that is a single piece of code; a heading that stands twice is an error."""
    found: dict[str, list[str]] = {}
    body: list[str] = []
    for line in text.splitlines():
        if match := re.fullmatch(r"#{2,6} `([^`]+)`", line):
            assert match[1] not in found, f"{match[1]} is documented twice"
            found[match[1]] = body = []
        elif re.match(r"#{1,6} ", line):
            body = []
        elif line:
            body.append(line)
    return found


def tables(text: str) -> list[list[list[str]]]:
    """Every table, its heading first, as rows of cells; the line of dashes is left out."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            found.append([])
        inside = True
        if not re.fullmatch(r"[|\- ]+", line):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def table(text: str, *heading: str) -> list[list[str]]:
    """The rows of the one table that has these column headings."""
    [rows] = [rows for rows in tables(text) if tuple(rows[0]) == heading]
    return rows[1:]


def code(cell: str) -> str:
    """The text of a cell that is a single piece of code."""
    match = re.fullmatch(r"`([^`]+)`", cell)
    assert match, f"{cell!r} is not a single piece of code"
    return match[1]


def codes(cell: str) -> list[str]:
    """Every piece of code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def yaml_examples(text: str) -> list[str]:
    """The blocks marked as YAML, which are configuration."""
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

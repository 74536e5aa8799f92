"""The proofs that docs/promises.md names, and whether they passed in a recorded run.

    pytest --junitxml=junit.xml && python -m tests.docs.proofs junit.xml

Ends with 1 and names every promise whose proof did not run or did not pass.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.docs.pages import ROOT, codes, page, table

HEADING = ("id", "promised by", "promise", "what keeps it", "proof")

_UNDONE = {"skipped", "failure", "error"}


def proofs(text: str) -> dict[str, list[str]]:
    """The tests that prove each promise, by its id."""
    return {row[0]: codes(row[-1]) for row in table(text, *HEADING)}


def found(node: str) -> ast.FunctionDef | None:
    """The test of this node id, of a file below the repository; None if there is none."""
    path, _, name = node.partition("::")
    if not (ROOT / path).is_file():
        return None
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    tests = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    return next((each for each in tests if each.name == name), None)


def is_switched_off(test: ast.FunctionDef) -> bool:
    """Whether a mark keeps the test from running, or from counting."""
    marks = {part.attr for each in test.decorator_list for part in ast.walk(each) if isinstance(part, ast.Attribute)}
    return bool(marks & {"skip", "skipif", "xfail"})


def passed(junit: str) -> set[str]:
    """The node ids, without parameters, of what ran and passed with all of its parameters."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for case in ET.fromstring(junit).iter("testcase"):
        path = case.get("classname", "").replace(".", "/")
        node = f"{path}.py::{case.get('name', '').partition('[')[0]}"
        outcomes[node].append(not any(each.tag in _UNDONE for each in case))
    return {node for node, each in outcomes.items() if all(each)}


def unproven(text: str, junit: str) -> dict[str, list[str]]:
    """The promises with a proof that did not pass in the recorded run, and these proofs."""
    good = passed(junit)
    left = {promise: [node for node in nodes if node not in good] for promise, nodes in proofs(text).items()}
    return {promise: nodes for promise, nodes in left.items() if nodes}


def main() -> None:
    left = unproven(page("promises.md"), Path(sys.argv[1]).read_text(encoding="utf-8"))
    for promise, nodes in left.items():
        sys.stderr.write(f"{promise}: {', '.join(nodes)}\n")
    sys.exit(bool(left))


if __name__ == "__main__":
    main()

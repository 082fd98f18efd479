"""Imports go downward only, in the order that docs/architecture.md lists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import isotropy

SOURCES = Path(isotropy.__file__).parent
ARCHITECTURE = Path(__file__).parents[1] / "docs" / "architecture.md"

# `Discovery.plot()` draws: the one import that goes upward, and only inside a function.
EXCEPTIONS = {("results", "report.plots")}


def listed_order(text: str) -> dict[str, tuple[int, int]]:
    """Part of the package -> (layer, place in the layer's line), from the indented list of the document."""
    order: dict[str, tuple[int, int]] = {}
    for layer, names in re.findall(r"^    (\d+) +([\w/]+(?:, [\w/]+)*)", text, flags=re.MULTILINE):
        for place, name in enumerate(names.split(", ")):
            order[name.strip("/")] = (int(layer), place)
    return order


def imports(path: Path, root: Path) -> list[tuple[str, bool, int]]:
    """(module inside the package, whether the import stands inside a function, line) for each import of a file."""
    parents = list(path.relative_to(root).with_suffix("").parts)[:-1]
    found: list[tuple[str, bool, int]] = []

    def visit(node: ast.AST, inside: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return  # names for annotations alone: nothing is imported when the code runs
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] == "isotropy":
                    found.append((name.name.partition(".")[2], inside, node.lineno))
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".") if node.module else []
            if node.level:
                base = parents[: len(parents) - node.level + 1] + module
            elif module and module[0] == "isotropy":
                base = module[1:]
            else:
                base = None
            if base is not None:
                # `from .. import errors` names a module; `from ..errors import X` names something inside one.
                found.extend((".".join([*base, name.name]), inside, node.lineno) for name in node.names)
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def violations(root: Path, order: dict[str, tuple[int, int]]) -> list[str]:
    """One sentence for each import that the order forbids, and for each part that the order does not list."""
    wrong = []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root)
        part = where.parts[0].removesuffix(".py")
        if part == "__init__":
            continue  # the front door re-exports from every layer
        if part not in order:
            wrong.append(f"{where}: the part `{part}` is not listed")
            continue
        for module, inside, line in imports(path, root):
            other = module.split(".")[0]
            if other == part:
                continue
            if other not in order:
                wrong.append(f"{where}:{line}: imports `{module}`, which is no listed part (the front door included)")
                continue
            excepted = inside and any(
                part == start and (module == end or module.startswith(f"{end}.")) for start, end in EXCEPTIONS
            )
            # Within layer 0 the listed order counts; the parts of any other layer do not know one another.
            mine, theirs = order[part], order[other]
            downward = theirs[0] < mine[0] or (mine[0] == 0 and theirs < mine)
            if not downward and not excepted:
                wrong.append(f"{where}:{line}: layer {mine[0]} imports `{module}` of layer {theirs[0]}")
    return wrong


def test_imports_go_downward():
    assert violations(SOURCES, listed_order(ARCHITECTURE.read_text(encoding="utf-8"))) == []


def test_the_list_is_read():
    order = listed_order(ARCHITECTURE.read_text(encoding="utf-8"))
    assert order["errors"][0] == 0
    assert order["errors"] < order["numerics"] < order["groups"] < order["geometry"] < order["lie"] < order["cli"]


@pytest.mark.parametrize(
    ("file", "source", "allowed"),
    [
        ("numerics/rank.py", "from ..errors import IsotropyError\n", True),
        ("numerics/rank.py", "from ..groups import SO\n", False),
        ("numerics/rank.py", "from .. import groups\n", False),
        ("numerics/rank.py", "import isotropy.groups.catalogue\n", False),
        ("numerics/rank.py", "def late():\n    from isotropy.groups import SO\n", False),
        ("validate.py", "from .errors import IsotropyError\n", True),
        ("errors.py", "from .validate import array\n", False),
        ("discover.py", "from .lie import rows\n", True),
        ("discover.py", "from .enforce import enforce\n", False),
        ("discover.py", "from . import Samples\n", False),
        ("results/discovery.py", "def plot(self):\n    from ..report.plots import spectrum\n", True),
        ("results/discovery.py", "from ..report.plots import spectrum\n", False),
        ("results/discovery.py", "def page(self):\n    from ..report.page import page\n", False),
        ("results/discovery.py", "if TYPE_CHECKING:\n    from ..discover import discover\n", True),
        ("utils.py", "", False),
    ],
)
def test_an_upward_import_is_refused(tmp_path, file, source, allowed):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, encoding="utf-8")
    order = listed_order(ARCHITECTURE.read_text(encoding="utf-8"))
    assert (violations(tmp_path, order) == []) is allowed

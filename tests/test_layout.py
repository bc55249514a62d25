"""A folder's name says what a line in it may import (docs/architecture.md): no circle, no import
upwards."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "imgtrans_jax"

# Folder -> what it may import besides its own modules and `types`; a folder, or one module of it; *
# is everything.
MAY_IMPORT = {
    "runtime": "",
    "io": "runtime",
    "optim": "",
    "convolution": "runtime",
    "report": "io runtime",
    "models": "convolution runtime",
    "data": "io runtime",
    "losses": "models",
    "weights": "models io",
    "metrics": "models weights losses io",
    "style": "losses models optim weights io runtime",
    "engine": "losses.compose optim io runtime",
    "methods": "engine models losses optim io.words",
    "config": "methods data optim models losses style io",
    "inference": "config methods engine data models convolution weights io runtime",
    "export": "inference config methods data models convolution weights report io runtime",
    "evaluation": "inference config metrics report data weights io runtime",
    "training": "evaluation inference config methods engine metrics weights losses data models "
    "convolution report optim io runtime",
    "planning": "training config engine methods data runtime",
    "commands": "*",
}

LOOSE = 5  # modules in the package root, at most
FULL = 14  # modules in a folder, at most, but for commands: a file each
LONG = 60  # lines of a function without its docstring, at most

FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE]
NAMES = {
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p
    for p in FILES
}
NAMES |= {p.stem: p for p in PACKAGE.glob("*.py") if p.stem != "__init__"}


def imported(path: Path, late: bool = True) -> set[str]:
    """The modules of the package that a file imports; without `late`, those that it needs to be
    imported itself."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not late and (checking or isinstance(node, ast.FunctionDef)):
            skipped |= set(ast.walk(node))
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{a.name}" for a in node.names]
        for name in names:
            if name.startswith("imgtrans_jax."):
                short = name.removeprefix("imgtrans_jax.")
                found.add(short if short in NAMES else short.rpartition(".")[0])
    return found - {""}


def may(folder: str, other: str) -> bool:
    allowed = MAY_IMPORT[folder].split()
    own = other.split(".")[0]
    return own in (folder, "types") or "*" in allowed or own in allowed or other in allowed


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_folder_imports_what_its_name_says(path):
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    wrong = sorted(other for other in imported(path) if not may(module.split(".")[0], other))
    assert not wrong, f"{module} imports {wrong}, which {module.split('.')[0]} may not"


def test_the_table_has_no_circle():
    done: set[str] = set()
    while rest := [folder for folder in MAY_IMPORT if folder not in done]:
        free = [
            f
            for f in rest
            if {r.split(".")[0] for r in MAY_IMPORT[f].split()} <= done or "*" in MAY_IMPORT[f]
        ]
        assert free, f"a circle among {rest}"
        done |= set(free)


def test_imports_have_no_circle():
    graph = {name: imported(path, late=False) for name, path in NAMES.items()}
    while leaves := [name for name, others in graph.items() if not others & graph.keys() - {name}]:
        for name in leaves:
            del graph[name]
    assert not graph


def test_no_folder_is_a_drawer():
    assert {p.parent.name for p in PACKAGE.glob("*/*.py")} == set(MAY_IMPORT)
    assert len(list(PACKAGE.glob("*.py"))) <= LOOSE
    for folder in MAY_IMPORT.keys() - {"commands"}:
        assert len([p for p in (PACKAGE / folder).glob("*.py") if p.stem != "__init__"]) <= FULL, (
            folder
        )


def test_a_loss_and_a_model_know_no_config_and_no_optimiser():
    for path in [*(PACKAGE / "losses").glob("*.py"), *(PACKAGE / "models").glob("*.py")]:
        text = path.read_text()
        assert "optax" not in text
        assert "imgtrans_jax.config" not in text


def test_functions_fit_a_screen():
    for path in [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "configs").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                told = node.body[0] if ast.get_docstring(node) else None
                words = (told.end_lineno or 0) - told.lineno + 1 if told else 0
                length = (node.end_lineno or 0) - node.lineno + 1 - words
                assert length <= LONG, f"{path}: {node.name} has {length} lines"


def test_lines_fit_a_hundred_columns():
    """Also those whose end is a remark to a tool, which ruff lets pass."""
    root = PACKAGE.parent
    folders = ("imgtrans_jax", "configs", "examples", "benchmarks", "tests", ".ci")
    kinds = {".py", ".sh", ".toml", ".html", ".css", ".js", ""}
    files = [p for folder in folders for p in (root / folder).rglob("*") if p.is_file()]
    for path in [*files, *root.glob("*.py"), root / "pyproject.toml"]:
        if path.suffix in kinds and "__pycache__" not in path.parts:
            for number, line in enumerate(path.read_text().split("\n"), 1):
                assert len(line) <= 100, f"{path}:{number}"


def test_every_folder_is_installed():
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    installed = {name.partition(".")[2] for name in settings["tool"]["setuptools"]["packages"]}
    assert installed == {"", "configs", *MAY_IMPORT}


def test_the_tree_of_the_architecture_page_is_this_one():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    tree = page.partition("```")[2].partition("```")[0]
    for folder in MAY_IMPORT:
        named = re.search(rf"^  {folder}/(.*?)(?=^ {{0,2}}\S)", tree, re.S | re.M)
        assert named, folder
        modules = {p.stem for p in (PACKAGE / folder).glob("*.py") if p.stem != "__init__"}
        assert {*re.findall(r"\w+(?=[, \n])", named[1])} >= modules, folder


def test_programs_are_for_the_platform_that_they_are_compiled_for():
    """Not for the one at hand: `imgtrans plan` compiles for others."""
    for path in FILES:
        if path.relative_to(PACKAGE).as_posix() != "runtime/target.py":
            assert "default_backend" not in path.read_text(), path

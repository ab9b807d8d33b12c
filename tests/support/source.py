"""The project's own Python as data: modules, what they import, how long their functions are."""
from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("engine", "console", "sandbox")     # what runs; tests, bench and tools look at it from outside
_PRIVATE = {".venv", "var", "node_modules", "__pycache__", ".git", ".pytest_cache", ".hypothesis", ".cache", "build"}


@dataclass(frozen=True)
class Module:
    """One file of Python. `name` is dotted; a package's `__init__` has the package's name."""
    name: str
    text: str
    path: str = "made up"
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    def imports(self, lazy: bool = True) -> Iterator[tuple[str, int]]:
        """(dotted name, line) of everything imported. `from a import b` gives `a.b`, whether b is a module or not.
        Without `lazy`: only what is imported when the module is, not inside its functions or for type checking."""
        for node in ast.walk(self.tree) if lazy else _at_import(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        up = node.level - 1 if self.is_package else node.level
        kept = parts[:len(parts) - up]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def functions(self) -> Iterator[tuple[str, int]]:
        """(name, lines from `def` to the end) of each function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, node.end_lineno - node.lineno + 1


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            if not typing_only and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                pending.append(child)


def files(*suffixes: str, below: Path = ROOT) -> list[Path]:
    """Files of the project itself (nothing installed, built or written at run time) with one of the endings."""
    found: list[Path] = []
    pending = [below]
    while pending:
        for entry in pending.pop().iterdir():
            if entry.name in _PRIVATE or entry.name.endswith(".egg-info"):
                continue
            if entry.is_dir():
                pending.append(entry)
            elif not suffixes or entry.suffix in suffixes:
                found.append(entry)
    return sorted(found)


def module_of(path: Path) -> Module:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if is_package else parts), path.read_text(encoding="utf-8"),
                  str(path.relative_to(ROOT)), is_package)


def program() -> list[Module]:
    """run.py and every module of the rooms that run. Migrations are not told but frozen: no rule of style is for them."""
    rooms = [path for room in PROGRAM for path in files(".py", below=ROOT / room) if "migrations" not in path.parts]
    return [module_of(path) for path in (ROOT / "run.py", *rooms)]


def everything() -> list[Module]:
    """All Python of the project."""
    return [module_of(path) for path in files(".py")]


def import_graph(modules: list[Module]) -> dict[str, set[str]]:
    """module → modules of the same list that it needs to be imported. `from . import x` needs x, not its package."""
    names = {module.name for module in modules}
    graph: dict[str, set[str]] = {}
    for module in modules:
        needed = set()
        for name, _ in module.imports(lazy=False):
            found = name if name in names else name.rpartition(".")[0]
            if found in names and found != module.name:
                needed.add(found)
        graph[module.name] = needed
    return graph


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Each loop of the graph once, as the path that closes it."""
    state: dict[str, int] = {}
    found: list[list[str]] = []

    def visit(name: str, path: list[str]) -> None:
        state[name] = 1
        for needed in sorted(graph[name]):
            if state.get(needed) == 1:
                found.append([*path[path.index(needed):], needed])
            elif needed not in state:
                visit(needed, [*path, needed])
        state[name] = 2

    for name in sorted(graph):
        if name not in state:
            visit(name, [name])
    return found

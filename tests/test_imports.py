"""Who may import whom: the table in CONTRIBUTING.md, kept true by reading the import statements."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("agent", "drivers", "strategies", "lightclient", "storeforward", "board", "tools", "tests")
VOCABULARY = "agent.vocabulary"

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "agent": ("agent", "drivers", "strategies", "lightclient", "storeforward", "board"),
    "drivers": ("drivers", VOCABULARY),
    "strategies": ("strategies", VOCABULARY),
    "lightclient": ("lightclient", VOCABULARY),
    "storeforward": ("storeforward", VOCABULARY),
    "board": ("board", VOCABULARY),
    "tools": FOLDERS[:-1],
    "tests": FOLDERS,
}
ON_THE_DEVICE = ("agent", "drivers", "strategies", "lightclient", "storeforward", "board")
TOO_HEAVY_FOR_THE_DEVICE = {"aiohttp", "highspy", "matplotlib", "numpy", "pandas", "pydantic", "rich", "scipy", "typer"}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every module that a file imports, wherever in the file the statement stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide which folder is meant"
            module = node.module or ""
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def allows(permitted: tuple[str, ...], name: str) -> bool:
    return any(name == entry or name.startswith(entry + ".") for entry in permitted)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_it_may(folder: str) -> None:
    files = sources(folder)
    assert files, f"{folder}/ holds no Python"
    forbidden = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imported(path)
        if name.split(".")[0] in FOLDERS and not allows(MAY_IMPORT[folder], name)
    ]
    assert not forbidden


@pytest.mark.parametrize("folder", ON_THE_DEVICE)
def test_nothing_heavy_reaches_the_device(folder: str) -> None:
    heavy = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(folder)
        for line, name in imported(path)
        if name.split(".")[0] in TOO_HEAVY_FOR_THE_DEVICE
    ]
    assert not heavy


def test_the_vocabulary_is_a_leaf() -> None:
    names = {name.split(".")[0] for _, name in imported(ROOT / "agent" / "vocabulary.py")}
    assert names <= sys.stdlib_module_names
    assert names


def test_a_forbidden_import_would_be_seen(tmp_path: Path) -> None:
    culprit = tmp_path / "driver.py"
    culprit.write_text("def price():\n    from strategies.battery import bid\n    return bid\n", encoding="utf-8")
    assert [(line, allows(MAY_IMPORT["drivers"], name)) for line, name in imported(culprit)] == [(2, False)]


def test_an_agent_starts_without_anything_heavy() -> None:
    """What the import statements of others drag in counts too: look at a process that is ready to run an agent."""
    program = "import sys, agent.lifecycle, drivers.registry, drivers.simulated.battery; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "agent" in loaded
    assert not loaded & TOO_HEAVY_FOR_THE_DEVICE

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


def loaded_by(imports: str) -> set[str]:
    """The modules that a fresh process holds after some imports."""
    program = f"import sys\n{imports}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def packages_of(modules: set[str]) -> set[str]:
    """Their top-level names. Those with an underscore are private to the interpreter, a library or this environment."""
    return {top for name in modules if not (top := name.split(".")[0]).startswith("_")}


STANDS_ON = """
import argparse, asyncio, ctypes, json, logging, sqlite3, tomllib
import msgpack, websockets.asyncio.client
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
"""
"""What every agent is built on, with all that these load themselves."""
AN_AGENT = "import tools.cli, tools.agent_command"
BESIDE_IT = {"agent", "drivers", "glob", "lightclient", "queue", "storeforward", "strategies", "tools"}
"""What an agent's process may have loaded beside that, before it knows its kind and its drivers. Every name costs each device
memory (docs/agent.md): load what is rarely needed where it is needed."""
INSTALLED = {"cryptography", "cython_runtime", "msgpack", "websockets"}
"""What pip installs and the agent may have loaded. The second is a name that msgpack makes."""


def test_an_agent_loads_nothing_beside_what_it_stands_on() -> None:
    """What the import statements of others drag in counts too: look at a process that is ready to run an agent."""
    stands_on, loaded = packages_of(loaded_by(STANDS_ON)), packages_of(loaded_by(AN_AGENT))
    assert "agent" in loaded
    assert loaded - stands_on <= BESIDE_IT
    assert {name for name in loaded if name not in sys.stdlib_module_names} <= INSTALLED | BESIDE_IT


@pytest.mark.parametrize("slip", ["difflib", "xml.etree.ElementTree", "pytest"])
def test_a_module_too_much_would_be_seen(slip: str) -> None:
    loaded = packages_of(loaded_by(f"{AN_AGENT}, {slip}"))
    assert loaded - packages_of(loaded_by(STANDS_ON)) - BESIDE_IT


def test_an_agent_loads_what_few_agents_need_when_it_is_needed() -> None:
    loaded = loaded_by(f"{AN_AGENT}, agent.appliances.battery")
    assert "strategies.battery" in loaded
    for kind in ("base_load", "ev", "freezer", "solar", "utility", "washer"):
        assert not {f"strategies.{kind}", f"agent.appliances.{kind}"} & loaded
    for module in ("agent.trade.posting", "agent.journaling.salvaging", "storeforward.salvage", "agent.metrics"):
        assert module not in loaded
    for folder in ("drivers.simulated", "tools.fullnode", "tools.light", "tools.society"):
        assert folder not in loaded

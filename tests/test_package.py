"""The package holds what runs outside a checkout: setup.cfg names every file that is no Python."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOR_READERS_OF_THE_CHECKOUT = "README.md"


def setup() -> ConfigParser:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def folders() -> list[Path]:
    """The packages at the top that go into a wheel."""
    return [ROOT / name.rstrip("*") for name in setup()["options.packages.find"]["include"].split()]


def test_every_folder_is_a_package_whose_files_are_named() -> None:
    patterns = {
        ROOT.joinpath(*package.split(".")): [pattern.strip() for pattern in globs.split(",")]
        for package, globs in setup()["options.package_data"].items()
    }
    named = {file for folder, globs in patterns.items() for pattern in globs for file in folder.glob(pattern)}
    found = {file for folder in folders() for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    others = {file for file in found if file.suffix != ".py" and file.name != FOR_READERS_OF_THE_CHECKOUT}
    assert others == named
    assert all((file.parent / "__init__.py").exists() for file in found if file.suffix == ".py")


def test_every_pattern_finds_something() -> None:
    for package, globs in setup()["options.package_data"].items():
        for pattern in globs.split(","):
            assert list(ROOT.joinpath(*package.split(".")).glob(pattern.strip())), f"{package}: {pattern}"

"""Errors of the configuration and the key store.

ConfigError              names file, section and key; trying again does not help
├── ConfigUnreadable     the file is missing, cannot be read, or is no TOML
├── UnknownKey           a key that means nothing, most often a slip of the pen
├── MissingKey           a key without which there is nothing to start
├── WrongValue           a value of the wrong type or out of bounds
└── WrongSection         values that do not go together
KeyStoreError
├── KeyMissing           there is no key file
├── KeyExposed           others than its owner may read the key file
├── KeyExists            a key file is there already and must not be overwritten
└── KeyUnusable          the file holds no usable P-256 key
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ConfigError(Exception):
    """Base of all configuration errors. `section` is empty for the top of the file."""

    retry: ClassVar[bool] = False

    def __init__(self, file: str, section: str, key: str, problem: str) -> None:
        place = f"[{section}] {key}".strip() if section else key
        super().__init__(f"{file}: {place}: {problem}" if place else f"{file}: {problem}")
        self.file = file
        self.section = section
        self.key = key
        self.problem = problem


class ConfigUnreadable(ConfigError):
    """The file is missing, cannot be read, or is no TOML."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, "", "", reason)


class UnknownKey(ConfigError):
    """A key that nobody reads."""

    def __init__(self, file: str, section: str, key: str, known: list[str]) -> None:
        from difflib import get_close_matches  # only here: an agent that runs has no use for it

        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
        super().__init__(file, section, key, f"unknown; {hint}")
        self.known = known


class MissingKey(ConfigError):
    """A key that has no default."""

    def __init__(self, file: str, section: str, key: str, expected: str) -> None:
        super().__init__(file, section, key, f"missing; expected {expected}")
        self.expected = expected


class WrongValue(ConfigError):
    """A value of the wrong type or out of bounds. `got` is shown as the file has it."""

    def __init__(self, file: str, section: str, key: str, expected: str, got: str) -> None:
        super().__init__(file, section, key, f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got


class WrongSection(ConfigError):
    """Each value is fine by itself, but together they make no sense."""

    def __init__(self, file: str, section: str, problem: str) -> None:
        super().__init__(file, section, "", problem)


class KeyStoreError(Exception):
    """Base of all key store errors. Messages name the file and never show what is in it."""

    retry: ClassVar[bool] = False

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class KeyMissing(KeyStoreError):
    """There is no key file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "no such key file")


class KeyExposed(KeyStoreError):
    """Others than its owner may read the key file; who has read it can sign in the device's name."""

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(path, f"has mode {mode:04o}; a key file must have 0600")
        self.mode = mode


class KeyExists(KeyStoreError):
    """A key file is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is there already and is not overwritten")


class KeyUnusable(KeyStoreError):
    """The file cannot be read, or holds something else than an unencrypted P-256 key."""

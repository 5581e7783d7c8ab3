"""Writes an agent's configuration as the TOML file that `agent.config` reads. The standard library only reads TOML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from agent.config import AgentConfig


def agent_toml(config: AgentConfig) -> str:
    """The file's text. What has its default is written too, so that the file shows all there is to set."""
    sections: dict[str, object] = {
        "device": config.device,
        "ledger": config.ledger,
        "key": config.key,
        "journal": config.journal,
        "trade": config.trade,
        "strategy": config.strategy,
        "time": config.time,
        "metrics": config.metrics,
        "driver": config.drivers,
    }
    there = {name: section for name, section in sections.items() if section is not None}
    return "\n".join("\n".join(lines) + "\n" for name, section in there.items() for lines in _tables(name, section))


def _tables(name: str, section: object) -> Iterator[list[str]]:
    """The lines of a table, then those of the tables in it."""
    entries = {key: value for key, value in _entries(section).items() if value is not None}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in entries.items() if not _is_table(value)]
    if lines or not entries:
        yield [f"[{name}]", *lines]
    for key, value in entries.items():
        if _is_table(value) and _entries(value):
            yield from _tables(f"{name}.{_key(key)}", value)


def _entries(table: Any) -> Mapping[str, Any]:
    if is_dataclass(table):
        return {field.name: getattr(table, field.name) for field in fields(table)}
    return dict(table)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or (is_dataclass(value) and not isinstance(value, type))


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return _text(value.hex())
    if isinstance(value, str | Path):
        return _text(str(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(entry) for entry in value) + "]"
    raise TypeError(f"{type(value).__name__} has no place in a configuration")


def _inline(value: object) -> str:
    if not _is_table(value):
        return _value(value)
    return "{" + ", ".join(f"{_key(key)} = {_inline(entry)}" for key, entry in _entries(value).items()) + "}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # a JSON string is a TOML string, but for this

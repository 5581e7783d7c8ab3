"""How every benchmark reports: a table on stdout and `build/bench/NAME.json` with rows of figure, unit and value."""

from __future__ import annotations

import json
from pathlib import Path

DIRECTORY = Path("build/bench")


class Bench:
    """Collects and prints the figures of one benchmark."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[dict[str, str | float]] = []
        print(f"{name}\n{'-' * len(name)}", flush=True)

    def row(self, figure: str, unit: str, value: float) -> None:
        """Add and print one figure."""
        self._rows.append({"figure": figure, "unit": unit, "value": round(value, 3)})
        print(f"{figure:<72} {value:>12,.1f} {unit}", flush=True)

    def write(self) -> Path:
        """Write the JSON file and return its path."""
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        path = DIRECTORY / f"{self._name}.json"
        path.write_text(json.dumps(self._rows, indent=1) + "\n")
        return path

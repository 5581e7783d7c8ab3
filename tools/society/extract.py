"""Cuts some days out of a scenario file: `python -m tools.society.extract IN OUT --start-day D --days N`.

Sessions and jobs that do not lie wholly inside are dropped, and so is the reference, which holds for the whole only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.society.scenario import ScenarioError, window_slots
from tools.society.scenariofile import load_raw, read_scenario

PER_SLOT = ("grid_buy_eur_per_kwh", "grid_sell_eur_per_kwh", "pv_kwh")
DECIMALS = 6
"""Of energies and prices: the resolution of a scenario in memory."""


def extract(file: str, raw: Any, start_day: int, days: int) -> dict[str, Any]:
    """The JSON of a part of a scenario. Raises ScenarioError."""
    scenario = read_scenario(file, raw)
    first, end = window_slots(file, scenario.slots, scenario.slot_duration_s, start_day, days)
    start = datetime.fromtimestamp(scenario.slot_s(first), UTC)
    part = {key: value for key, value in raw.items() if key != "reference"}
    part |= {"slots": end - first, "t0_utc": start.strftime("%Y-%m-%dT%H:%M:%SZ")}
    part |= {key: _rounded(raw[key][first:end]) for key in PER_SLOT if raw.get(key)}
    part["load_kwh"] = [_rounded(home[first:end]) for home in raw["load_kwh"]]
    part["ev_sessions"] = _inside(raw.get("ev_sessions") or [], "first_slot", "end_slot", first, end)
    part["washer_jobs"] = _inside(raw.get("washer_jobs") or [], "ready_slot", "end_by_slot", first, end)
    read_scenario(file, part)
    return part


def write_scenario(path: Path, raw: dict[str, Any]) -> None:
    """Write JSON, packed where the name ends in .gz; the same content gives the same bytes."""
    text = json.dumps(raw, separators=(",", ":"), ensure_ascii=False).encode()
    path.write_bytes(gzip.compress(text, 9, mtime=0) if path.suffix == ".gz" else text)


def _rounded(values: list[float]) -> list[float]:
    return [round(value, DECIMALS) for value in values]


def _inside(entries: list[dict[str, Any]], begins: str, ends: str, first: int, end: int) -> list[dict[str, Any]]:
    return [
        entry | {begins: entry[begins] - first, ends: entry[ends] - first}
        for entry in entries
        if first <= entry[begins] and entry[ends] <= end
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.society.extract", description="Cut some days out of a scenario file."
    )
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("target", type=Path, metavar="OUT")
    parser.add_argument("--start-day", type=int, default=0)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--name", help="of the new scenario")
    parser.add_argument("--note", help="about the new scenario")
    parser.add_argument("--attribution", action="append", metavar="LINE", help="whom the data comes from; may be repeated")
    options = parser.parse_args(arguments)
    try:
        part = extract(str(options.source), load_raw(options.source), options.start_day, options.days)
    except ScenarioError as error:
        print(error, file=sys.stderr)
        return 2
    part |= {key: getattr(options, key) for key in ("name", "note", "attribution") if getattr(options, key)}
    write_scenario(options.target, part)
    print(f"{options.target}: {part['slots']} slots, {options.target.stat().st_size} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

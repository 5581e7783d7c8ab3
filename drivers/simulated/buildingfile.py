"""A simulated building as a file, and the factory that opens its devices by name.

The file lets agents run as separate processes: each opens its own device of the same building. Nobody tells a process what the
agents of the others decide, so in each of them all devices but its own do what they do unattended (cars charge when they are
plugged in, washers start when they are loaded, freezers keep their band, batteries rest), and a grid meter measures that sum.
A process that starts again starts its devices from the beginning of the building's time.

    {"format": 1, "devices": {"battery": {"kind": "battery", "start_s": 1613343600, "capacity_mwh": 60000000, ...}, ...}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args, get_type_hints
from weakref import WeakValueDictionary

from agent.vocabulary import Clock, Kind
from drivers.errors import DriverMisconfigured
from drivers.simulated.building import SPECS, Building, SimulatedBuilding, Spec, kind_of
from drivers.simulated.device import SimulatedDevice
from drivers.simulated.faults import Fault, FaultKind

FORMAT: Final = 1


def write_building(path: Path, building: Building) -> None:
    """Write a building file."""
    devices = {name: {"kind": kind_of(spec), **asdict(spec)} for name, spec in building.devices.items()}
    path.write_text(json.dumps({"format": FORMAT, "devices": devices}, separators=(",", ":")), encoding="utf-8")


def read_building(path: Path) -> Building:
    """Read a building file. Raises DriverMisconfigured naming file and place."""
    file = str(path)
    try:
        raw = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DriverMisconfigured(file, f"expected a building file: {error}") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT or not isinstance(raw.get("devices"), dict):
        raise DriverMisconfigured(file, f'expected {{"format": {FORMAT}, "devices": {{...}}}}')
    return Building({name: _read_spec(file, name, entry) for name, entry in raw["devices"].items()})


def _read_spec(file: str, name: str, raw: Any) -> Spec:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if kind not in list(SPECS):
        raise DriverMisconfigured(file, f"{name}.kind: expected one of {', '.join(SPECS)}, got {kind!r}")
    spec: Spec = _read(file, name, SPECS[Kind(kind)], {key: value for key, value in raw.items() if key != "kind"})
    return spec


def _read(file: str, place: str, expected: Any, raw: Any) -> Any:
    """A whole number, a tuple of one type or a dataclass of these, as `expected` says."""
    if is_dataclass(expected):
        hints = get_type_hints(expected)
        names = {field.name for field in fields(expected)}
        if not isinstance(raw, dict) or set(raw) != names:
            raise DriverMisconfigured(file, f"{place}: expected an object with {', '.join(sorted(names)) or 'no fields'}")
        make = cast(Callable[..., Any], expected)
        return make(**{name: _read(file, f"{place}.{name}", hints[name], value) for name, value in raw.items()})
    if expected is int:
        if type(raw) is not int:
            raise DriverMisconfigured(file, f"{place}: expected a whole number, got {raw!r}")
        return raw
    if not isinstance(raw, list):
        raise DriverMisconfigured(file, f"{place}: expected a list, got {raw!r}")
    item = get_args(expected)[0]
    return tuple(_read(file, f"{place}[{index}]", item, value) for index, value in enumerate(raw))


_running: WeakValueDictionary[tuple[Path, Clock], SimulatedBuilding] = WeakValueDictionary()
"""Buildings in this process: a battery and the CT clamp beside it must see the same plant, though they are opened apart."""


def open_driver(name: str, options: Mapping[str, object], clock: Clock) -> SimulatedDevice[Any]:
    """Open `simulated.KIND` with the options `building` (path), `device` (name in it) and `faults` (list of tables).

    Raises DriverMisconfigured.
    """
    unknown = sorted(set(options) - {"building", "device", "faults"})
    path, device = options.get("building"), options.get("device")
    if unknown or not isinstance(path, str) or not isinstance(device, str):
        got = f"unknown: {', '.join(unknown)}" if unknown else f"got building = {path!r}, device = {device!r}"
        raise DriverMisconfigured(name, f"expected the options building (path), device (name) and faults (optional); {got}")
    key = (Path(path).resolve(), clock)
    running = _running.get(key) or SimulatedBuilding(read_building(key[0]), clock)
    _running[key] = running
    if (found := f"simulated.{running.kind(device)}") != name:
        raise DriverMisconfigured(name, f"{device} in {path} is for the driver {found}")
    return running.open(device, tuple(_read_fault(name, entry) for entry in _tables(name, options.get("faults", []))))


def _tables(name: str, raw: object) -> list[Any]:
    if not isinstance(raw, list):
        raise DriverMisconfigured(name, f"faults: expected a list of tables, got {raw!r}")
    return raw


def _read_fault(name: str, raw: Any) -> Fault:
    kinds = ", ".join(FaultKind)
    if not isinstance(raw, dict) or raw.get("kind") not in list(FaultKind):
        raise DriverMisconfigured(name, f"faults: expected a table with kind (one of {kinds}), from_s and to_s, got {raw!r}")
    times = {"late_s": 0, **{key: value for key, value in raw.items() if key != "kind"}}
    if set(times) != {"from_s", "to_s", "late_s"} or any(type(value) is not int for value in times.values()):
        raise DriverMisconfigured(name, f"faults: expected whole numbers from_s, to_s and, if late, late_s, got {raw!r}")
    return Fault(FaultKind(raw["kind"]), **times)

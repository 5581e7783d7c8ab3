"""Who takes part in a scenario: parties with their roles, devices with their keys, nameplates and beneficiaries.

The array belongs to an outside company, the battery to the society, charger i to home i in the order of user names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.vocabulary import Kind
from lightclient import wire
from tools.fullnode.engine.genesis_doc import GenesisDoc, GenesisValidator
from tools.society.keys import SeededKey, seeded_key, seeded_validator_key
from tools.society.scenario import MWH_PER_WH, Scenario

SOCIETY: Final = "society"
UTILITY: Final = "utility"
SOLAR_COMPANY: Final = "solar-company"
GRID_METER: Final = "grid-meter"
ARRAY: Final = "array"
BATTERY: Final = "battery"

NODES: Final = ("node-1", "node-2", "node-3")
"""The full nodes: fronts with ids of their own before one chain, since a society in one process has one validator."""

START_BALANCE_UEUR: Final = 1_000_000_000
"""1,000 EUR for every party, booked by the treasurer before the first block."""
GATE_LEAD_S: Final = 60
DEVIATION_SHARE_PERMILLE: Final = 500
DISPUTE_S: Final = 7 * 86_400
HOME_CONNECTION_W: Final = 24_000
"""3 x 35 A at 230 V: more than any home draws."""
CHARGER_W: Final = 7_200
"""Of a charger that nobody comes to: 32 A at 230 V, as most have."""
GRID_CONNECTION_W: Final = 1_000_000
"""Nameplate of the grid meter; it only has to be beyond all flows."""


@dataclass(frozen=True, slots=True)
class CastParty:
    """A party of the society."""

    name: str
    key: SeededKey
    party_id: bytes
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CastDevice:
    """A device of the society. `home` is its apartment's number from 0, None for what all share."""

    name: str
    kind: Kind
    key: SeededKey
    device_id: bytes
    beneficiary: str
    home: int | None
    nameplate_import_w: int
    nameplate_export_w: int


@dataclass(frozen=True, slots=True)
class Cast:
    """All who take part."""

    chain_id: str
    seed: int
    parties: Mapping[str, CastParty]
    devices: tuple[CastDevice, ...]

    @property
    def society(self) -> str:
        return SOCIETY

    @property
    def utility(self) -> str:
        return UTILITY

    @property
    def metered(self) -> tuple[CastDevice, ...]:
        """The devices that have a line in every settlement."""
        return tuple(device for device in self.devices if device.kind not in (Kind.UTILITY, Kind.GRID_METER))

    def of_kind(self, kind: Kind) -> tuple[CastDevice, ...]:
        return tuple(device for device in self.devices if device.kind is kind)


def home_name(home: int) -> str:
    return f"home-{home + 1:02d}"


def build_cast(scenario: Scenario, seed: int) -> Cast:
    """The parties and devices of a scenario, with keys that follow from the seed."""
    chain_id = f"homewatt-{seed}"

    def party(name: str, *roles: str) -> CastParty:
        key = seeded_key(seed, f"party {name}")
        return CastParty(name, key, wire.party_id(chain_id, key.public_key()), roles)

    parties = [
        party(SOCIETY, "board", "installer", "meter_operator", "treasurer", "validator"),
        party(UTILITY, "utility"),
        party(SOLAR_COMPANY),
        *(party(home_name(home)) for home in range(scenario.homes)),
    ]
    devices = []
    for name, kind, beneficiary, home, most_import_w, most_export_w in _devices(scenario):
        key = seeded_key(seed, f"device {name}")
        identity = wire.device_id(chain_id, key.public_key())
        devices.append(CastDevice(name, kind, key, identity, beneficiary, home, most_import_w, most_export_w))
    return Cast(chain_id, seed, {party.name: party for party in parties}, tuple(devices))


def _devices(scenario: Scenario) -> Iterator[tuple[str, Kind, str, int | None, int, int]]:
    """(name, kind, beneficiary, home, nameplate_import_w, nameplate_export_w)."""
    yield UTILITY, Kind.UTILITY, UTILITY, None, 0, 0
    yield GRID_METER, Kind.GRID_METER, SOCIETY, None, GRID_CONNECTION_W, GRID_CONNECTION_W
    if scenario.has(Kind.SOLAR):
        yield ARRAY, Kind.SOLAR, SOLAR_COMPANY, None, 0, _mean_w(max(scenario.pv_mwh), scenario)
    if scenario.battery is not None:
        yield BATTERY, Kind.BATTERY, SOCIETY, None, scenario.battery.power_w, scenario.battery.power_w
    for home in range(scenario.homes):
        name = home_name(home)
        if scenario.has(Kind.BASE_LOAD):
            yield f"{name}-base-load", Kind.BASE_LOAD, name, home, HOME_CONNECTION_W, 0
        jobs = scenario.washer_jobs_of(home)
        if scenario.has(Kind.WASHER):
            peak_mwh = max((energy for job in jobs for energy in job.energy_mwh), default=0)
            yield f"{name}-washer", Kind.WASHER, name, home, max(2_500, _mean_w(peak_mwh, scenario)), 0
        if scenario.has(Kind.FREEZER):
            yield f"{name}-freezer", Kind.FREEZER, name, home, scenario.freezer.power_w, 0
        if home < len(scenario.ev_users):
            sessions = scenario.ev_sessions_of(home)
            charge_w = max((session.max_w for session in sessions), default=CHARGER_W)
            discharge_w = max((session.discharge_w for session in sessions), default=0)
            yield f"{name}-ev", Kind.EV, name, home, charge_w, discharge_w


def _mean_w(slot_mwh: int, scenario: Scenario) -> int:
    """Mean power of a slot's energy, rounded up to 100 W: what a nameplate would say."""
    watts = -(-slot_mwh * 3600 // (MWH_PER_WH * scenario.slot_duration_s))
    return -(-watts // 100) * 100


def genesis_doc(cast: Cast, scenario: Scenario, time_s: int, heartbeat_s: int) -> GenesisDoc:
    """The genesis of the society: the same file for the solo engine and for CometBFT."""
    validator_key = seeded_validator_key(cast.seed, "node").public_key().public_bytes_raw()
    return GenesisDoc(
        chain_id=cast.chain_id,
        time_ns=time_s * 1_000_000_000,
        validators=(GenesisValidator(validator_key, 10, "solo"),),
        app_state=_app_state(cast, scenario, heartbeat_s),
    )


def _app_state(cast: Cast, scenario: Scenario, heartbeat_s: int) -> dict[str, Any]:
    return {
        "version": 1,
        "slot_duration_s": scenario.slot_duration_s,
        "gate_lead_s": GATE_LEAD_S,
        "deviation_share_permille": DEVIATION_SHARE_PERMILLE,
        "fallback_ask_ueur_kwh": max(scenario.ask_ueur_kwh),
        "fallback_bid_ueur_kwh": min(scenario.bid_ueur_kwh),
        "dispute_s": DISPUTE_S,
        "heartbeat_s": heartbeat_s,
        "fuse_w": 0,
        "society": SOCIETY,
        "utility": UTILITY,
        "grid_meter": GRID_METER,
        "parties": [
            {
                "name": party.name,
                "public_key": party.key.public_key().hex(),
                "roles": list(party.roles),
                "balance_ueur": START_BALANCE_UEUR,
            }
            for party in cast.parties.values()
        ],
        "devices": [
            {
                "name": device.name,
                "public_key": device.key.public_key().hex(),
                "kind": str(device.kind),
                "model": "simulated",
                "owner": device.beneficiary,
                "beneficiary": device.beneficiary,
                "installer": SOCIETY,
                "apartment": "" if device.home is None else home_name(device.home),
                "sub_meter": "",
                "phase": 0 if device.home is None else device.home % 3 + 1,
                "nameplate_import_w": device.nameplate_import_w,
                "nameplate_export_w": device.nameplate_export_w,
                "firmware_digest": "",
            }
            for device in cast.devices
        ],
    }

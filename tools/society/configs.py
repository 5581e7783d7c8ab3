"""The configuration of each agent of a society: the same whether the agent runs in this process or from a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from agent.appliances.base import DEVICE, GRID
from agent.config import (
    AgentConfig,
    DeviceConfig,
    DriverConfig,
    JournalConfig,
    KeyConfig,
    LedgerConfig,
    StrategyConfig,
    TradeConfig,
)
from agent.lifecycle import PRICES
from agent.vocabulary import Kind
from lightclient.options import TrustAnchor
from tools.society.cast import GATE_LEAD_S, GRID_METER, Cast, CastDevice
from tools.society.options import SocietyOptions
from tools.society.rules import rules_of
from tools.society.scenario import Scenario

NODES_TO_CONTRADICT: Final = 3
"""A primary and two witnesses."""
JOURNAL_CACHE_KIB: Final = 64
JOURNAL_CHECKPOINT_PAGES: Final = 64
"""Some sixty journals lie in one process' memory and on one memory-backed disk: caches stay small, logs short."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the agents of a society find what they need."""

    node_urls: tuple[str, ...]
    key_dir: Path
    journal_dir: Path
    building: Path
    prices: Path


def agent_config(
    device: CastDevice, society: Cast, scenario: Scenario, options: SocietyOptions, anchor: TrustAnchor, places: Places
) -> AgentConfig:
    """The configuration of one device's agent."""
    slot_duration_s = cast(Literal[60, 300, 900], scenario.slot_duration_s)  # the file's reader takes no other
    rules, wish = _rules_table(rules_of(device, scenario, options.balance)), options.wishes.get(device.name)
    if wish is not None:
        rules = {**rules, **wish.rules}
    return AgentConfig(
        device=DeviceConfig(device.name, device.kind, society.chain_id, slot_duration_s, GATE_LEAD_S),
        ledger=LedgerConfig(
            nodes=places.node_urls,
            anchor_height=anchor.height,
            anchor_hash=anchor.hash,
            heartbeat_s=options.heartbeat_s,
            single_operator=len(places.node_urls) < NODES_TO_CONTRADICT,
        ),
        key=KeyConfig(places.key_dir / f"{device.name}.pem"),
        journal=JournalConfig(
            path=places.journal_dir / f"{device.name}.db",
            cache_kib=JOURNAL_CACHE_KIB,
            checkpoint_pages=JOURNAL_CHECKPOINT_PAGES,
            samples="all" if options.samples else "slot",
        ),
        drivers=_drivers(device, options, places),
        strategy=StrategyConfig(options.strategies, rules),
        trade=TradeConfig(spread_s=options.spread_s) if wish is None else TradeConfig(lead_s=wish.lead_s, spread_s=0),
    )


def drivers_of(device: CastDevice, options: SocietyOptions) -> Mapping[str, str]:
    """Role -> name of the device in the building that the agent's driver is for."""
    if device.kind is Kind.UTILITY:
        return {}
    roles = {DEVICE: device.name}
    if device.kind is Kind.BATTERY and options.balance:
        roles[GRID] = GRID_METER
    return roles


def _drivers(device: CastDevice, options: SocietyOptions, places: Places) -> Mapping[str, DriverConfig]:
    if device.kind is Kind.UTILITY:
        return {PRICES: DriverConfig("simulated.prices", {"file": str(places.prices)})}
    building = str(places.building)
    kinds = {DEVICE: device.kind, GRID: Kind.GRID_METER}
    return {
        role: DriverConfig(f"simulated.{kinds[role]}", {"building": building, "device": name})
        for role, name in drivers_of(device, options).items()
    }


def _rules_table(rules: Any) -> Mapping[str, object]:
    """The rules as a table of the configuration; what is None is left to its default."""
    return {} if rules is None else _without_none(asdict(rules))


def _without_none(table: Mapping[str, Any]) -> dict[str, object]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value for key, value in table.items() if value is not None
    }

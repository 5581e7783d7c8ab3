"""The configuration of one agent: a TOML file, read once, complete and within bounds, or not at all.

docs/config.md explains every key. No secret stands in it: the private key lies in a file of its own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from agent.clock import NS_PER_S
from agent.errors import ConfigUnreadable, WrongValue
from agent.tables import Between, Place, Table, from_table
from agent.vocabulary import Kind
from lightclient.anchor import load_key
from lightclient.options import Options, TrustAnchor

Rules = TypeVar("Rules")
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """Which device this is, and the society's slots. `kind` utility: the agent acts for the utility's party."""

    name: str
    kind: Kind
    chain_id: str
    slot_duration_s: Literal[60, 300, 900] = 900
    gate_lead_s: Annotated[int, Between(10, 900)] = 60


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """Which full nodes to ask, and what is believed at first.

    The first of `nodes` is asked, the others are there to contradict it; fewer than three need `single_operator`, by which
    the owner says that there is nobody to contradict.
    """

    nodes: tuple[str, ...]
    anchor_height: Annotated[int, Between(1, 2**53 - 1)]
    anchor_hash: bytes
    trusting_period_s: Annotated[int, Between(3_600, 30 * DAY_S)] = 20 * DAY_S
    heartbeat_s: Annotated[int, Between(1, 3_600)] = 5
    drift_s: Annotated[int, Between(0, 60)] = 10
    single_operator: bool = False
    anchor_keys: tuple[bytes, ...] = ()
    """Who may sign a new anchor: P-256 keys, 33 bytes each, SEC1 compressed."""
    drain_per_s: Annotated[int, Between(1, 1_000)] = 10
    """Late readings handed in per second after an outage. Orders never wait."""

    def __post_init__(self) -> None:
        if len(self.anchor_hash) != 32:
            raise ValueError(f"anchor_hash has {len(self.anchor_hash)} bytes, not 32")
        if not self.nodes or not all(map(_is_node_url, self.nodes)):
            raise ValueError('nodes are URLs without a user name, such as ["ws://192.168.1.5:26657/websocket"]')
        if len(set(self.nodes)) != len(self.nodes):
            raise ValueError("a node is named twice")
        if len(self.nodes) < 3 and not self.single_operator:
            raise ValueError(f"{len(self.nodes)} nodes: name at least three, or set single_operator = true")
        for key in self.anchor_keys:
            try:
                load_key(key)
            except ValueError as error:
                raise ValueError(f"anchor_keys: {key.hex()} is no compressed P-256 key: {error}") from error

    @property
    def freshness_s(self) -> int:
        """How old the newest header may be to act upon it: two missed heartbeats and some time on the way."""
        return 2 * self.heartbeat_s + 20


@dataclass(frozen=True, slots=True)
class KeyConfig:
    """The identity key."""

    file: Path


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """Where the journal lies and what it may use. `max_mib` 0: the disk is the bound; `max_days` 0: nothing is too old."""

    path: Path
    max_mib: Annotated[int, Between(0, 1_000_000)] = 1024
    max_days: Annotated[int, Between(0, 36_500)] = 0
    reserve_kib: Annotated[int, Between(0, 1_048_576)] = 1024
    cache_kib: Annotated[int, Between(32, 65_536)] = 256
    checkpoint_pages: Annotated[int, Between(8, 10_000)] = 256
    samples: Literal["slot", "all"] = "slot"


@dataclass(frozen=True, slots=True)
class TradeConfig:
    """When to trade: `lead_s` before the gate, later by this agent's share of `spread_s`."""

    lead_s: Annotated[int, Between(5, 600)] = 30
    spread_s: Annotated[int, Between(0, 600)] = 10

    def __post_init__(self) -> None:
        if self.spread_s >= self.lead_s:
            raise ValueError(f"spread_s {self.spread_s} is not below lead_s {self.lead_s}, so orders could come after the gate")


@dataclass(frozen=True, slots=True)
class TimeConfig:
    """Whom to believe. `system_clock` "synchronised": the operating system's clock while the kernel says that it is;
    "always": the owner's word that somebody else sets it (a hypervisor, a clock with a battery)."""

    system_clock: Literal["synchronised", "always"] = "synchronised"


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Where the agent's figures are written, and how often. The file belongs on a memory disk: it is not flushed."""

    file: Path
    every_s: Annotated[int, Between(5, 3_600)] = 15


@dataclass(frozen=True, slots=True)
class StrategyConfig:
    """How to decide: the strategy of the device's kind, or "passive", which trades nothing. `rules` are the owner's."""

    name: Literal["default", "passive"] = "default"
    rules: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriverConfig:
    """A driver by its name in the table of drivers; it judges its options itself."""

    name: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """All of it. `drivers` by role: "device" is the appliance, "grid" a meter at the grid connection. `metrics` None: none
    are written."""

    device: DeviceConfig
    ledger: LedgerConfig
    key: KeyConfig
    journal: JournalConfig
    drivers: Mapping[str, DriverConfig]
    trade: TradeConfig = TradeConfig()
    strategy: StrategyConfig = StrategyConfig()
    time: TimeConfig = TimeConfig()
    metrics: MetricsConfig | None = None
    file: Path = Path("configuration")
    """Where it came from, for messages about what is judged later."""

    @property
    def light_options(self) -> Options:
        """How much the light client believes."""
        return Options(
            chain_id=self.device.chain_id,
            trusting_period_ns=self.ledger.trusting_period_s * NS_PER_S,
            freshness_ns=self.ledger.freshness_s * NS_PER_S,
            drift_ns=self.ledger.drift_s * NS_PER_S,
            single_operator=self.ledger.single_operator,
        )

    @property
    def anchor(self) -> TrustAnchor:
        """Where the light client begins, unless a newer signed anchor lies in its folder."""
        return TrustAnchor(self.ledger.anchor_height, self.ledger.anchor_hash)

    @property
    def trust(self) -> Path:
        """The folder of what the light client trusts, beside the journal."""
        return self.journal.path.with_suffix(".trust")


@dataclass(frozen=True, slots=True)
class _Sections:
    """The file as it is written: `[driver.ROLE]` tables are read one by one."""

    device: DeviceConfig
    ledger: LedgerConfig
    key: KeyConfig
    journal: JournalConfig
    driver: Mapping[str, object]
    trade: TradeConfig = TradeConfig()
    strategy: StrategyConfig = StrategyConfig()
    time: TimeConfig = TimeConfig()
    metrics: MetricsConfig | None = None


def read_agent_config(path: Path) -> AgentConfig:
    """Read an agent's configuration. Paths in it are relative to its folder. Raises ConfigError."""
    place = Place(path)
    sections = from_table(_Sections, read_toml(path), place)
    if sections.metrics is not None:
        _check_metrics_file(sections.metrics.file, (path, sections.key.file, sections.journal.path), place.inner("metrics"))
    return AgentConfig(
        device=sections.device,
        ledger=sections.ledger,
        key=sections.key,
        journal=sections.journal,
        drivers=_read_drivers(sections.driver, place.inner("driver")),
        trade=sections.trade,
        strategy=sections.strategy,
        time=sections.time,
        metrics=sections.metrics,
        file=path,
    )


def read_rules(cls: type[Rules], mapping: Table, file: Path) -> Rules:
    """The owner's rules of a strategy, as its own dataclass has them. Raises ConfigError."""
    return from_table(cls, mapping, Place(file, "strategy.rules"))


def read_toml(path: Path) -> Table:
    """The tables of a TOML file. Raises ConfigUnreadable."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigUnreadable(str(path), error.strerror or "cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigUnreadable(str(path), f"not a TOML file: {error}") from error


def _read_drivers(tables: Table, place: Place) -> Mapping[str, DriverConfig]:
    drivers = {}
    for role, table in tables.items():
        if not isinstance(table, Mapping):
            raise WrongValue(str(place.file), place.section, role, f"a table [driver.{role}]", repr(table))
        drivers[role] = from_table(DriverConfig, table, place.inner(role))
    return MappingProxyType(drivers)


def _check_metrics_file(file: Path, others: Iterable[Path], place: Place) -> None:
    """It is replaced as a whole, and taken away at the end: that must not hit the key. Raises WrongValue."""
    if file.resolve() in [other.resolve() for other in others]:
        raise WrongValue(str(place.file), place.section, "file", "a file of its own", repr(str(file)))


def _is_node_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:  # a port that is none
        return False

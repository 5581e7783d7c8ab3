"""The configuration: complete and within bounds, or refused with file, section and key."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import (
    AgentConfig,
    DeviceConfig,
    DriverConfig,
    JournalConfig,
    KeyConfig,
    LedgerConfig,
    MetricsConfig,
    StrategyConfig,
    TradeConfig,
    read_agent_config,
    read_rules,
)
from agent.errors import ConfigError, ConfigUnreadable, MissingKey, UnknownKey, WrongSection, WrongValue
from agent.vocabulary import Kind
from strategies.battery import BatteryRules
from strategies.solar import SolarRules
from tools.configfile import agent_toml

ANCHOR = "ab" * 32
SMALLEST = f"""
[device]
name = "battery"
kind = "battery"
chain_id = "society-1"

[ledger]
nodes = ["ws://127.0.0.1:26657/websocket"]
anchor_height = 1
anchor_hash = "{ANCHOR}"
single_operator = true

[key]
file = "device.key"

[journal]
path = "/var/lib/homewatt/journal.db"

[driver.device]
name = "simulated.battery"
options = {{ building = "building.json", device = "battery" }}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_configuration_has_sane_defaults(tmp_path: Path) -> None:
    config = read_agent_config(write(tmp_path, SMALLEST))
    assert config.device == DeviceConfig("battery", Kind.BATTERY, "society-1", 900, 60)
    assert config.ledger.anchor_hash == bytes.fromhex(ANCHOR)
    assert config.ledger.trusting_period_s == 20 * 86_400
    assert config.ledger.freshness_s == 30
    assert config.key.file == tmp_path / "device.key", "paths are relative to the file"
    assert config.journal.path == Path("/var/lib/homewatt/journal.db")
    assert config.journal.samples == "slot"
    assert (config.trade.lead_s, config.trade.spread_s) == (30, 10)
    assert config.strategy.name == "default"
    assert dict(config.strategy.rules) == {}
    assert config.drivers["device"].name == "simulated.battery"
    assert config.drivers["device"].options["device"] == "battery"


def test_figures_are_written_where_the_configuration_says(tmp_path: Path) -> None:
    assert read_agent_config(write(tmp_path, SMALLEST)).metrics is None
    config = read_agent_config(write(tmp_path, SMALLEST + '[metrics]\nfile = "/run/homewatt/battery.prom"\n'))
    assert config.metrics == MetricsConfig(Path("/run/homewatt/battery.prom"), every_s=15)
    assert read_agent_config(write(tmp_path, agent_toml(config))).metrics == config.metrics


def changed(old: str, new: str) -> str:
    assert old in SMALLEST
    return SMALLEST.replace(old, new)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (SMALLEST + "[trad]\nlead_s = 5\n", UnknownKey, "trad: unknown; did you mean trade?"),
        (SMALLEST + "[trade]\nleed_s = 5\n", UnknownKey, "[trade] leed_s: unknown; did you mean lead_s?"),
        (SMALLEST + "[trade]\nxyz = 5\n", UnknownKey, "[trade] xyz: unknown; known are lead_s, spread_s"),
        (SMALLEST + "[trade]\nlead_s = 4\n", WrongValue, "[trade] lead_s: expected a whole number from 5 to 600, got 4"),
        (SMALLEST + "[trade]\nlead_s = true\n", WrongValue, "[trade] lead_s: expected a whole number from 5 to 600, got True"),
        (SMALLEST + "[trade]\nlead_s = 30.0\n", WrongValue, "[trade] lead_s: expected a whole number from 5 to 600, got 30.0"),
        (SMALLEST + "[trade]\nlead_s = 9\n", WrongSection, "[trade]: spread_s 10 is not below lead_s 9, so orders could"),
        (
            SMALLEST + "[metrics]\nfile = 'device.key'\n",
            WrongValue,
            "[metrics] file: expected a file of its own, got ",
        ),
        (
            SMALLEST + "[metrics]\nfile = 'x/../agent.toml'\n",
            WrongValue,
            "[metrics] file: expected a file of its own",
        ),
        (
            SMALLEST + "[metrics]\nfile = '/var/lib/homewatt/journal.db'\n",
            WrongValue,
            "[metrics] file: expected a file of its own, got '/var/lib/homewatt/journal.db'",
        ),
        (SMALLEST + "[metrics]\nevery_s = 15\n", MissingKey, "[metrics] file: missing; expected a path"),
        (
            SMALLEST + "[metrics]\nfile = 'a.prom'\nevery_s = 4\n",
            WrongValue,
            "[metrics] every_s: expected a whole number from 5 to 3600, got 4",
        ),
        (SMALLEST + "[strategy]\nname = 'best'\n", WrongValue, "[strategy] name: expected one of default, passive, got 'best'"),
        (SMALLEST + "[strategy]\nrules = 3\n", WrongValue, "[strategy] rules: expected a table, got 3"),
        (changed('kind = "battery"', 'kind = "toaster"'), WrongValue, "[device] kind: expected one of solar, battery, "),
        (changed('kind = "battery"\n', ""), MissingKey, "[device] kind: missing; expected one of solar, battery, "),
        (changed('name = "battery"', 'name = ""'), WrongValue, "[device] name: expected text, got ''"),
        (changed('[key]\nfile = "device.key"\n', ""), MissingKey, "key: missing; expected a table"),
        (changed(ANCHOR, "abcd"), WrongSection, "[ledger]: anchor_hash has 2 bytes, not 32"),
        (changed(ANCHOR, "xyz"), WrongValue, "[ledger] anchor_hash: expected hexadecimal text, got 'xyz'"),
        (changed("ws://", "http://"), WrongSection, "[ledger]: nodes are URLs without a user name"),
        (
            changed("single_operator = true\n", ""),
            WrongSection,
            "[ledger]: 1 nodes: name at least three",
        ),
        (changed('["ws://127.0.0.1:26657/websocket"]', "[3]"), WrongValue, "[ledger] nodes[0]: expected text, got 3"),
        (changed('["ws://127.0.0.1:26657/websocket"]', "[]"), WrongSection, "[ledger]: nodes are URLs"),
        (
            changed("[driver.device]", "[driver.device]\nport = 3"),
            UnknownKey,
            "[driver.device] port: unknown; known are name",
        ),
        (
            SMALLEST.replace("[driver.device]", "[driver]\ngrid = 1\n[driver.device]"),
            WrongValue,
            "[driver] grid: expected a table",
        ),
        ("device = 1", MissingKey, "ledger: missing; expected a table"),
        ("[device", ConfigUnreadable, "not a TOML file: "),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, error: type[ConfigError], message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(error, match=re.escape(f"{path}: {message}")):
        read_agent_config(path)


def test_a_url_with_a_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path, changed("ws://127", "ws://me:hunter2@127"))
    with pytest.raises(WrongSection) as refused:
        read_agent_config(path)
    assert "hunter2" not in str(refused.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnreadable, match=r"agent\.toml: No such file"):
        read_agent_config(tmp_path / "agent.toml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigUnreadable, match="not a TOML file"):
        read_agent_config(path)


def test_rules_are_read_into_the_strategys_own_dataclass() -> None:
    file = Path("agent.toml")
    storage = {"capacity_wh": 60_000, "charge_w": 30_000, "discharge_w": 30_000}
    rules = read_rules(BatteryRules, {"storage": storage, "balance": False, "threshold_ueur_kwh": 90_000}, file)
    assert (rules.storage.charge_w, rules.balance, rules.threshold_ueur_kwh) == (30_000, False, 90_000)
    with pytest.raises(UnknownKey, match=re.escape("[strategy.rules.storage] charge_kw: unknown; did you mean charge_w?")):
        read_rules(BatteryRules, {"storage": {**storage, "charge_kw": 30}}, file)
    with pytest.raises(WrongValue, match=re.escape("[strategy.rules] opening: expected one of call, open, got 'dutch'")):
        read_rules(SolarRules, {"nameplate_w": 9_000, "opening": "dutch"}, file)
    with pytest.raises(MissingKey, match=re.escape("[strategy.rules] nameplate_w: missing; expected a whole number")):
        read_rules(SolarRules, {}, file)


PAGE = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_a_configuration(tmp_path: Path) -> None:
    example = PAGE.partition("```toml\n")[2].partition("```")[0]
    config = read_agent_config(write(tmp_path, example))
    assert set(config.drivers) == {"device", "grid"}
    assert read_rules(BatteryRules, config.strategy.rules, config.file).storage.capacity_wh == 10_000


@pytest.mark.parametrize(
    "section", [DeviceConfig, LedgerConfig, KeyConfig, JournalConfig, TradeConfig, StrategyConfig, DriverConfig]
)
def test_the_page_explains_every_key(section: type[Any]) -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    for field in fields(section):
        assert any(f"`{field.name}`" in row for row in rows), field.name


names = st.text(min_size=1, max_size=20)
options = st.dictionaries(
    names, st.integers(-(2**60), 2**60) | st.booleans() | st.text(max_size=20) | st.lists(st.integers(0, 9)), max_size=4
)
configs = st.builds(
    AgentConfig,
    device=st.builds(DeviceConfig, name=names, kind=st.sampled_from(Kind), chain_id=names, gate_lead_s=st.integers(10, 900)),
    ledger=st.builds(
        LedgerConfig,
        nodes=st.just(("ws://a:1/websocket", "wss://b/websocket", "ws://[::1]:3/websocket")),
        anchor_height=st.integers(1, 2**40),
        anchor_hash=st.binary(min_size=32, max_size=32),
        single_operator=st.booleans(),
    ),
    key=st.just(KeyConfig(Path("/keys/device.key"))),
    journal=st.builds(JournalConfig, path=st.just(Path("/var/journal.db")), samples=st.sampled_from(("slot", "all"))),
    drivers=st.dictionaries(names, st.builds(DriverConfig, name=names, options=options), max_size=3),
    trade=st.builds(TradeConfig, lead_s=st.integers(20, 600), spread_s=st.integers(0, 19)),
    strategy=st.builds(StrategyConfig, name=st.sampled_from(("default", "passive")), rules=options),
)


@given(config=configs)
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, config: AgentConfig) -> None:
    path = write(tmp_path_factory.mktemp("config"), agent_toml(config))
    read = read_agent_config(path)
    assert (read.device, read.ledger, read.key, read.journal, read.trade) == (
        config.device,
        config.ledger,
        config.key,
        config.journal,
        config.trade,
    )
    assert read.strategy.name == config.strategy.name
    assert dict(read.strategy.rules) == dict(config.strategy.rules)
    assert {role: (driver.name, dict(driver.options)) for role, driver in read.drivers.items()} == {
        role: (driver.name, dict(driver.options)) for role, driver in config.drivers.items()
    }

"""Writes a society into a directory, so that node and agents run as processes of their own, in real time, over sockets.

    DIR/README.txt   DIR/node/ (a node's directory)   DIR/agents/NAME.toml   DIR/keys/NAME.pem (0600)   DIR/journals/
    DIR/building.json   DIR/prices.json

The scenario's recordings are moved to now. The node's first block is cut here: its header is what every agent is told to
trust. An agent simulates its own device; of the others it knows only what they would do unattended.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.keystore import write_key_file
from agent.vocabulary import Clock
from drivers.simulated.buildingfile import write_building
from drivers.simulated.prices import write_prices
from lightclient.options import TrustAnchor
from tools.configfile import agent_toml
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.engine.genesis_doc import GenesisDoc
from tools.fullnode.engine.home import NodeHome, init_home
from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rules.ledger import Ledger
from tools.society.cast import build_cast, genesis_doc
from tools.society.configs import Places, agent_config
from tools.society.house import building_of, price_list
from tools.society.keys import seeded_validator_key
from tools.society.options import SocietyOptions
from tools.society.scenario import Scenario

LISTEN: Final = "127.0.0.1:26657"
HEARTBEAT_S: Final = 5
"""In real time an empty block every few seconds costs nothing and keeps headers fresh."""
SPREAD_S: Final = 10
"""On a network the agents of a society do not all send within the same second."""
NS: Final = 1_000_000_000

README: Final = """A society written by `homewatt society --write`. Keys are derived from a seed: for trials only.

Start the node, then as many agents as you like, each in a terminal of its own:

    homewatt node start --home {folder}/node --listen {listen}
    homewatt agent --config {folder}/agents/utility.toml
    homewatt agent --config {folder}/agents/NAME.toml

Agents: {names}

The first slot that is traded begins at Unix second {start_s}.
"""


def write_society(folder: Path, scenario: Scenario, options: SocietyOptions, clock: Clock, listen: str = LISTEN) -> Scenario:
    """Write all files; returns the scenario as it was moved to now. Raises OSError, KeyStoreError, HomeError."""
    moved = move_to(scenario, clock.now_ns() // NS)
    options = replace(options, heartbeat_s=HEARTBEAT_S, spread_s=SPREAD_S)
    folder = folder.resolve()
    cast = build_cast(moved, options.seed)
    places = Places(
        node_urls=(f"ws://{listen}/websocket",),
        key_dir=folder / "keys",
        journal_dir=folder / "journals",
        building=folder / "building.json",
        prices=folder / "prices.json",
    )
    for subfolder in (places.key_dir, places.journal_dir, folder / "agents"):
        subfolder.mkdir(parents=True, exist_ok=True)
    genesis = genesis_doc(cast, moved, clock.now_ns() // NS, options.heartbeat_s)
    anchor = _first_block(NodeHome(folder / "node"), genesis, options.seed, clock)
    write_building(places.building, building_of(moved, cast))
    write_prices(places.prices, price_list(moved))
    for device in cast.devices:
        write_key_file(places.key_dir / f"{device.name}.pem", device.key.pem())
        config = agent_config(device, cast, moved, options, anchor, places)
        (folder / "agents" / f"{device.name}.toml").write_text(agent_toml(config), encoding="utf-8")
    names = ", ".join(device.name for device in cast.devices)
    readme = README.format(folder=folder, listen=listen, names=names, start_s=moved.start_s)
    (folder / "README.txt").write_text(readme, encoding="utf-8")
    return moved


def move_to(scenario: Scenario, now_s: int) -> Scenario:
    """The same recordings from the second slot edge after now on, so that the first slot can be traded."""
    duration_s = scenario.slot_duration_s
    return replace(scenario, start_s=now_s - now_s % duration_s + 2 * duration_s)


def _first_block(home: NodeHome, genesis: GenesisDoc, seed: int, clock: Clock) -> TrustAnchor:
    """Prepare the node's directory and cut its first block."""
    validator_key = seeded_validator_key(seed, "node")
    genesis = init_home(home, genesis, validator_key)
    with home.locked():
        ledger, store = Ledger(str(home.ledger)), BlockStore(genesis.chain_id, home.blocks)
        try:
            engine = SoloEngine(ledger, genesis, validator_key, clock, store)
            signed = engine.produce_block(genesis.time_ns).signed_header
        finally:
            store.close()
            ledger.close()
    return TrustAnchor(signed.height, signed.hash)

"""The genesis: what is wrong is named with its place, and what is right is what the state begins with."""

from __future__ import annotations

from typing import Any

import pytest

from lightclient import keys
from lightclient.values import Account, DeviceRecord, Params, PartyRecord, Role
from tools.fullnode.rules.errors import GenesisError, LedgerError
from tools.fullnode.rules.genesis import read_genesis
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import CHAIN_ID, GENESIS_S, NS, Chain, Society


def changed(place: str, value: Any) -> dict[str, Any]:
    """A valid app_state with one field changed, or removed where the value is None."""
    app_state = Society().app_state()
    target: Any = app_state
    *steps, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    for step in steps:
        target = target[step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return app_state


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        ("version", 2, "app_state.version"),
        ("version", True, "app_state.version"),
        ("slot_duration_s", 600, "app_state.slot_duration_s"),
        ("gate_lead_s", 0, "app_state.gate_lead_s"),
        ("gate_lead_s", 60.0, "app_state.gate_lead_s"),
        ("deviation_share_permille", 1_001, "app_state.deviation_share_permille"),
        ("fallback_bid_ueur_kwh", 300_001, "app_state.fallback_bid_ueur_kwh"),
        ("dispute_s", None, "app_state.dispute_s"),
        ("society", "nobody", "app_state.society"),
        ("grid_meter", "battery", "app_state.grid_meter"),
        ("grid_meter", "", "app_state.grid_meter"),
        ("colour", "green", "app_state.colour"),
        ("parties", {}, "app_state.parties"),
        ("parties.0.name", "", "app_state.parties[0].name"),
        ("parties.1.name", "society", "app_state.parties[1].name"),
        ("parties.1.public_key", "02" + "ff" * 32, "app_state.parties[1].public_key"),
        ("parties.1.public_key", "zz", "app_state.parties[1].public_key"),
        ("parties.1.public_key", Society().keys["society"].public.hex(), "app_state.parties[1].public_key"),
        ("parties.1.roles", ["king"], "app_state.parties[1].roles"),
        ("parties.1.roles", "utility", "app_state.parties[1].roles"),
        ("parties.1.balance_ueur", 10**16, "app_state.parties[1].balance_ueur"),
        ("parties.1.email", "x", "app_state.parties[1].email"),
        ("devices.2.kind", "toaster", "app_state.devices[2].kind"),
        ("devices.2.name", "grid", "app_state.devices[2].name"),
        ("devices.2.model", "caf\u00e9", "app_state.devices[2].model"),
        ("devices.2.public_key", Society().keys["grid"].public.hex(), "app_state.devices[2].public_key"),
        ("devices.2.beneficiary", "nobody", "app_state.devices[2].beneficiary"),
        ("devices.2.sub_meter", "nothing", "app_state.devices[2].sub_meter"),
        ("devices.2.phase", 4, "app_state.devices[2].phase"),
        ("devices.2.nameplate_export_w", -1, "app_state.devices[2].nameplate_export_w"),
        ("devices.2.firmware_digest", "00", "app_state.devices[2].firmware_digest"),
        ("devices.2", "battery", "app_state.devices[2]"),
    ],
)
def test_a_wrong_field_is_named(place: str, value: Any, named: str) -> None:
    with pytest.raises(GenesisError) as caught:
        read_genesis(CHAIN_ID, changed(place, value))
    assert caught.value.field == named
    assert caught.value.expected in str(caught.value)
    assert isinstance(caught.value, LedgerError)
    assert not caught.value.retry


@pytest.mark.parametrize("chain_id", ["", "caf\u00e9", "x" * 51])
def test_a_wrong_chain_id_is_named(chain_id: str) -> None:
    with pytest.raises(GenesisError, match="chain_id"):
        read_genesis(chain_id, Society().app_state())


def test_a_genesis_before_the_first_day_of_1970_is_refused() -> None:
    with pytest.raises(GenesisError, match="genesis_time"):
        Ledger().init_chain(CHAIN_ID, Society().app_state(), 1, 0)


def test_the_state_begins_with_what_the_genesis_says() -> None:
    society = Society(balance_ueur=77)
    chain = Chain(society)
    chain.block(GENESIS_S)
    ids = society.ids
    params = Params.decode(chain.value(keys.PARAMS) or b"")
    assert (params.slot_duration_s, params.utility, params.grid_meter) == (900, ids["utility"], ids["grid"])
    party = PartyRecord.decode(chain.value(keys.party(ids["society"])) or b"")
    assert (party.name, party.roles) == ("society", Role.BOARD | Role.TREASURER)
    assert Account.decode(chain.value(keys.account(ids["utility"])) or b"") == Account(77, 0)
    washer = DeviceRecord.decode(chain.value(keys.device(ids["washer-1"])) or b"")
    assert (washer.sub_meter, washer.beneficiary, washer.status) == (ids["home-1"], ids["resident-1"], 1)
    assert not washer.is_storage
    assert DeviceRecord.decode(chain.value(keys.device(ids["battery"])) or b"").is_storage


def test_the_same_genesis_gives_the_same_app_hash_and_another_another() -> None:
    def app_hash(society: Society) -> bytes:
        return Ledger().init_chain(CHAIN_ID, society.app_state(), 1, GENESIS_S * NS)

    assert app_hash(Society()) == app_hash(Society())
    assert app_hash(Society()) != app_hash(Society(balance_ueur=1))

"""The scripted chains among the golden vectors: every block with its codes and app_hash, and the values at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from agent.vocabulary import Mode, Side
from lightclient import keys, wire
from lightclient.messages import (
    AcceptOrder,
    BlockProgram,
    CancelOrder,
    CommittedReading,
    Notice,
    OpenReading,
    PlaceOrder,
    PostTariff,
    ReplaceOrder,
    Transfer,
)
from tools.fullnode.rules.sample import CHAIN_ID, FIRST_SLOT_S, GENESIS_S, Chain, Society
from tools.fullnode.rules.slottimes import DAY_S

DURATION_S: Final = 900
DISPUTE_S: Final = 3_600
RECORD_HASH: Final = bytes(range(32))
MakeBlock = Callable[..., None]
"""Makes a block at a time in seconds with the transactions given."""


def trading_vector() -> dict[str, Any]:
    """From genesis to a settlement with a late reading."""
    society = Society()
    return _played(society, _trade, _trade_keys(society))


def notices_vector() -> dict[str, Any]:
    """Notices until they have left the state: beside the positions and readings of their slots and on their own."""
    society = Society(params={"dispute_s": DISPUTE_S})
    return _played(society, _notify, _notice_keys(society))


def _played(society: Society, script: Callable[[Society, MakeBlock], None], chosen: Iterable[bytes]) -> dict[str, Any]:
    """Play a script; the values of the chosen keys at its end are part of the vector."""
    chain = Chain(society)
    blocks: list[dict[str, Any]] = []

    def block(time_s: int, *txs: bytes) -> None:
        made = chain.block(time_s, txs)
        results = [{"code": result.code, "data": result.data.hex()} for result in made.tx_results]
        blocks.append(
            {
                "height": chain.height,
                "time_s": time_s,
                "txs": [tx.hex() for tx in txs],
                "results": results,
                "app_hash": made.app_hash.hex(),
            }
        )

    script(society, block)
    return {
        "chain_id": CHAIN_ID,
        "genesis_s": GENESIS_S,
        "app_state": society.app_state(),
        "blocks": blocks,
        "ids": {name: identity.hex() for name, identity in society.ids.items()},
        "values": {key.hex(): (chain.value(key) or b"").hex() for key in chosen},
    }


def _trade(society: Society, block: MakeBlock) -> None:
    """A tariff, orders, accepts, a call, readings in time and late, and what is refused of them."""
    first, second, now_s = FIRST_SLOT_S, FIRST_SLOT_S + DURATION_S, GENESIS_S
    tx, payload, seal = society.tx, society.payload, society.seal
    block(now_s + 1, tx("utility", PostTariff(first, ((300_000, 80_000), (310_000, 80_000), (290_000, -1_000)))))
    place = payload("array", PlaceOrder(first, Side.SELL, 3_000, 81_000, Mode.OPEN, False))
    program = [
        payload("battery", PlaceOrder(first, Side.SELL, 300, 150_000, Mode.OPEN, True)),
        payload("battery", PlaceOrder(second, Side.SELL, 200, 160_000, Mode.OPEN, True)),
    ]
    wish = payload("home-1", PlaceOrder(first, Side.BUY, 1_200, 300_000, Mode.CALL, False))
    block(now_s + 2, seal("array", place), *(seal("battery", order) for order in program), seal("home-1", wish))
    accepts = BlockProgram((AcceptOrder(wire.order_id(program[0]), 300), AcceptOrder(wire.order_id(program[1]), 200)))
    block(
        now_s + 3,
        tx("washer-1", accepts),
        tx("ev-2", AcceptOrder(wire.order_id(place), 1_000)),
        tx("ev-2", AcceptOrder(wire.order_id(place), 2_500)),  # gone
        tx("home-1", ReplaceOrder(wire.order_id(wish), 1_200, 900, 250_000)),
        tx("home-2", PlaceOrder(first, Side.BUY, 500, 300_001, Mode.CALL, False)),  # outside the tariff
        tx("home-2", PlaceOrder(first, Side.SELL, 500, 200_000, Mode.CALL, False)),  # above nameplate
        tx("array", CancelOrder(wire.order_id(wish), 900)),  # gone: it has been replaced
        tx("society", Transfer(society.ids["resident-2"], 5_000_000, b"top-up")),
        tx("home-2", PlaceOrder(first, Side.BUY, 500, 200_000, Mode.CALL, False), expires_height=2),  # expired
        tx("home-2", CommittedReading(first, RECORD_HASH, RECORD_HASH)),
    )
    block(first - 59)  # the gate of the first slot has passed: its call
    block(second - 50, tx("home-2", PlaceOrder(second, Side.BUY, 1, 200_000, Mode.CALL, False)))  # closed
    metered = {"grid": (100, 0), "array": (0, 3_100), "battery": (250, 700), "home-1": (1_000, 0), "washer-1": (310, 0)}
    readings = [tx(name, OpenReading(first, 0, 0, *ends, RECORD_HASH)) for name, ends in metered.items()]
    block(second + 5, *readings, readings[0])  # the last one is a replay
    block(second + 10, tx("home-2", OpenReading(first, 0, 0, 240, 0, RECORD_HASH)))  # one is still silent
    block(second + 4 * DURATION_S)  # the deadline: settled without it
    block(second + 4 * DURATION_S + 9, tx("ev-2", OpenReading(first, 0, 0, 1_000, 60, RECORD_HASH)))  # late


def _trade_keys(society: Society) -> list[bytes]:
    first = FIRST_SLOT_S
    chosen = [keys.PARAMS, keys.tariff(first), keys.book(first), keys.book(first + 20 * DURATION_S), keys.settlement(first)]
    chosen += [keys.day_history(first - first % 86_400), keys.result(society.ids["home-2"], 1)]
    for device in society.devices:
        identity = society.ids[device.name]
        chosen += [keys.position(identity, first), keys.reading(identity, first), keys.sequence(identity)]
    return chosen + [keys.account(society.ids[party]) for party in society.parties]


def _notify(society: Society, block: MakeBlock) -> None:
    """Notices of all kinds of devices, each refusal once, and the end of two slots."""
    first, second, third = (FIRST_SLOT_S + index * DURATION_S for index in range(3))
    tx, payload, seal = society.tx, society.payload, society.seal

    def notice(slot_s: int, events: int = 3) -> Notice:
        return Notice(slot_s, events, 1, 60, slot_s - 7_200, slot_s - 3_600, RECORD_HASH)

    offer = payload("array", PlaceOrder(first, Side.SELL, 500, 81_000, Mode.OPEN, False))
    block(GENESIS_S + 1, seal("array", offer))
    block(GENESIS_S + 2, tx("home-1", AcceptOrder(wire.order_id(offer), 500)))
    block(first - 59, tx("home-1", notice(first)))  # the slot has not begun
    expiring = wire.Envelope(CHAIN_ID, Notice.KIND, society.ids["home-1"], 0, 1)
    block(
        first,
        tx("home-1", notice(first)),
        tx("grid", notice(first)),
        tx("utility-desk", Notice(first, 1, 0, 0, 0, 0, RECORD_HASH)),
        tx("resident-1", notice(first)),  # a party is no device
        tx("home-2", notice(first + 1)),  # unaligned
        tx("home-2", notice(first - DURATION_S)),  # that slot never had a book
        tx("home-2", notice(first), seq=1),  # a notice has no seq
        seal("home-1", wire.encode_payload(expiring, notice(first).body())),  # expired
    )
    metered = {"grid": (0, 0), "array": (0, 500), "home-1": (500, 0)}
    readings = [tx(name, OpenReading(first, 0, 0, *ends, RECORD_HASH)) for name, ends in metered.items()]
    repeats = tx("home-1", notice(first)), tx("home-1", notice(first, events=4))  # the same, and another
    block(second + 5, *readings, *repeats, tx("home-1", notice(second)))
    end_s = second + DISPUTE_S
    block(end_s - 1, tx("array", notice(first)), tx("ev-2", notice(third)))  # late, and still in time
    block(end_s, tx("battery", notice(first)))  # too late; no book closes, so what is there stays
    block(end_s + DURATION_S - 60)  # the next gate: the first slot ends
    block(end_s + 2 * DURATION_S - 60)  # the second slot ends; the readings of the first go, too


def _notice_keys(society: Society) -> list[bytes]:
    """What has left, what of it stays, and the one notice that still stands."""
    chosen = [keys.notice(society.ids["ev-2"], FIRST_SLOT_S + 2 * DURATION_S)]
    for name in ("home-1", "grid", "utility-desk", "array", "battery"):
        identity = society.ids[name]
        chosen += [keys.notice(identity, FIRST_SLOT_S + index * DURATION_S) for index in range(2)]
        chosen += [keys.position(identity, FIRST_SLOT_S), keys.reading(identity, FIRST_SLOT_S)]
        chosen += [keys.device_digest(identity, FIRST_SLOT_S - FIRST_SLOT_S % DAY_S)]
    return chosen

"""A small society with known keys and a chain to drive it: for golden vectors, tests and benchmarks, never for real money.

Keys are derived from names and signatures are deterministic (RFC 6979), so the same script gives the same bytes everywhere.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lightclient import wire
from lightclient.messages import Message
from tools.fullnode.abci import FinalizedBlock
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.unnumbered import is_unnumbered

CHAIN_ID: Final = "sample-1"
GENESIS_S: Final = 1_780_272_000 - 900
"""A quarter of an hour before midnight UTC."""
FIRST_SLOT_S: Final = GENESIS_S + 900
NS: Final = 10**9
NEVER: Final = 10**9


@dataclass(frozen=True, slots=True)
class SampleKey:
    """A P-256 key derived from a name."""

    private: ec.EllipticCurvePrivateKey
    public: bytes

    @classmethod
    def named(cls, name: str) -> SampleKey:
        secret = int.from_bytes(hashlib.sha256(b"homewatt sample key " + name.encode()).digest(), "big")
        private = ec.derive_private_key(secret % (wire.P256_ORDER - 1) + 1, ec.SECP256R1())
        return cls(private, private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))

    def sign(self, payload: bytes) -> bytes:
        der = self.private.sign(payload, ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return wire.to_low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class SampleDevice:
    """What a genesis says about a device, as far as samples differ."""

    name: str
    kind: str
    party: str
    import_w: int
    export_w: int
    sub_meter: str = ""


DEVICES: Final = (
    SampleDevice("grid", "grid_meter", "society", 100_000, 100_000),
    SampleDevice("utility-desk", "utility", "utility", 0, 0),
    SampleDevice("array", "solar", "solar-company", 0, 40_000),
    SampleDevice("battery", "battery", "society", 10_000, 10_000),
    SampleDevice("home-1", "base_load", "resident-1", 12_000, 0),
    SampleDevice("home-2", "base_load", "resident-2", 12_000, 0),
    SampleDevice("washer-1", "washer", "resident-1", 3_000, 0, "home-1"),
    SampleDevice("ev-2", "ev", "resident-2", 11_000, 11_000, "home-2"),
)
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "society": ("board", "treasurer"),
    "utility": ("utility",),
}


@dataclass
class Society:
    """Parties and devices by name, with their keys. Every device's owner and beneficiary is its party."""

    devices: tuple[SampleDevice, ...] = DEVICES
    balance_ueur: int = 1_000_000_000
    params: dict[str, Any] = field(default_factory=dict)
    """Parameters of the genesis that differ from the defaults here."""

    def __post_init__(self) -> None:
        self.parties = list(dict.fromkeys(["society", "utility", *(device.party for device in self.devices)]))
        self.keys = {name: SampleKey.named(name) for name in [*self.parties, *(device.name for device in self.devices)]}
        self.ids = {name: wire.party_id(CHAIN_ID, self.keys[name].public) for name in self.parties}
        self.ids.update((device.name, wire.device_id(CHAIN_ID, self.keys[device.name].public)) for device in self.devices)
        self._seqs: Counter[str] = Counter()

    def app_state(self) -> dict[str, Any]:
        grid_meters = [device.name for device in self.devices if device.kind == "grid_meter"]
        defaults = {
            "version": 1,
            "slot_duration_s": 900,
            "gate_lead_s": 60,
            "deviation_share_permille": 500,
            "fallback_ask_ueur_kwh": 300_000,
            "fallback_bid_ueur_kwh": 80_000,
            "dispute_s": 604_800,
            "heartbeat_s": 900,
            "fuse_w": 43_000,
            "society": "society",
            "utility": "utility",
            "grid_meter": grid_meters[0] if grid_meters else "",
        }
        return {
            **defaults,
            **self.params,
            "parties": [self._party(name) for name in self.parties],
            "devices": [self._device(device) for device in self.devices],
        }

    def _party(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "public_key": self.keys[name].public.hex(),
            "roles": list(ROLES.get(name, ())),
            "balance_ueur": self.balance_ueur,
        }

    def _device(self, device: SampleDevice) -> dict[str, Any]:
        return {
            "name": device.name,
            "public_key": self.keys[device.name].public.hex(),
            "kind": device.kind,
            "model": "sample",
            "owner": device.party,
            "beneficiary": device.party,
            "installer": "",
            "apartment": "",
            "sub_meter": device.sub_meter,
            "phase": 0,
            "nameplate_import_w": device.import_w,
            "nameplate_export_w": device.export_w,
            "firmware_digest": "",
        }

    def payload(self, sender: str, message: Message, seq: int | None = None, expires_height: int = NEVER) -> bytes:
        """The payload of a message; seq None takes the sender's next, or 0 for what carries none."""
        if is_unnumbered(message):
            seq, expires_height = seq or 0, 0
        elif seq is None:
            self._seqs[sender] += 1
            seq = self._seqs[sender]
        envelope = wire.Envelope(CHAIN_ID, message.KIND, self.ids[sender], seq, expires_height)
        return wire.encode_payload(envelope, message.body())

    def seal(self, sender: str, payload: bytes) -> bytes:
        return wire.encode_tx(payload, self.keys[sender].sign(payload))

    def tx(self, sender: str, message: Message, seq: int | None = None, expires_height: int = NEVER) -> bytes:
        """A signed transaction."""
        return self.seal(sender, self.payload(sender, message, seq, expires_height))


class Chain:
    """A ledger with a height and a time: blocks are made when told, as an engine would make them."""

    def __init__(self, society: Society, ledger: Ledger | None = None, genesis_s: int = GENESIS_S) -> None:
        self.society = society
        self.ledger = ledger or Ledger()
        self.height = self.ledger.info().last_height
        if not self.height:
            self.ledger.init_chain(CHAIN_ID, society.app_state(), 1, genesis_s * NS)

    def block(self, time_s: int, txs: Iterable[bytes] = ()) -> FinalizedBlock:
        """Make one block and commit it."""
        self.height += 1
        block = self.ledger.finalize_block(self.height, time_s * NS, tuple(txs))
        self.ledger.commit()
        return block

    def send(self, time_s: int, sender: str, message: Message) -> int:
        """One message in a block of its own; its result code."""
        return self.block(time_s, [self.society.tx(sender, message)]).tx_results[0].code

    def value(self, key: bytes) -> bytes | None:
        """A committed value, by the query that clients use."""
        result = self.ledger.query("/key", key, 0, False)
        return result.value or None


def many_homes(count: int, params: Mapping[str, Any] | None = None) -> Society:
    """A society of `count` batteries with a party each, besides the grid meter: for benchmarks."""
    battery = SampleDevice("battery", "battery", "", 100_000, 100_000)
    homes = tuple(replace(battery, name=f"device-{i}", party=f"party-{i}") for i in range(count))
    return Society((DEVICES[0], *homes), params=dict(params or {}))

"""The genesis of a society: parameters, parties with their roles and balances, devices. Read strictly, written once.

Every field has to be there, no other may be, and what is wrong is named with its place. Source: docs/ledger.md, "Genesis".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.vocabulary import Kind
from lightclient import keys, wire
from lightclient.messages import HASH_BYTES, MAX_PRICE_UEUR_KWH, MAX_TRANSFER_UEUR
from lightclient.values import Account, DeviceRecord, Params, PartyRecord, Role
from tools.fullnode.rules.errors import GenesisError
from tools.fullnode.rules.p256 import BadPublicKey, load_public_key
from tools.fullnode.rules.state import State

VERSION: Final = 1
SLOT_DURATIONS_S: Final = (60, 300, 900)
MAX_NAMEPLATE_W: Final = 10**7
MAX_TEXT: Final = 64
PUBLIC_KEY_BYTES: Final = 33


@dataclass(frozen=True, slots=True)
class Genesis:
    """A society as it begins. Parties and devices stand by id."""

    params: Params
    parties: dict[bytes, tuple[PartyRecord, int]]
    """Record and balance_ueur."""
    devices: dict[bytes, DeviceRecord]

    def write(self, state: State) -> None:
        """Put all of it into an empty state."""
        state.put(keys.PARAMS, self.params.encode())
        for party, (record, balance_ueur) in self.parties.items():
            state.put(keys.party(party), record.encode())
            state.put(keys.account(party), Account(balance_ueur, 0).encode())
        for device, device_record in self.devices.items():
            state.put(keys.device(device), device_record.encode())


def read_genesis(chain_id: str, app_state: Any) -> Genesis:
    """Check the `app_state` of a genesis file. Raises GenesisError naming the first field that is wrong."""
    if not chain_id or not chain_id.isascii() or len(chain_id) > 50:
        raise GenesisError("chain_id", "1 to 50 ASCII characters")
    top = _Fields(app_state, "app_state")
    top.integer("version", VERSION, VERSION)
    parties = _Parties(chain_id, top.array("parties"))
    devices = _read_devices(chain_id, top.array("devices"), parties)
    params = _read_params(top, parties, devices)
    top.nothing_else()
    return Genesis(params, parties.by_id, dict(devices.values()))


class _Fields:
    """One JSON object whose fields are taken one by one; what is left over is an error."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, Mapping):
            raise GenesisError(place, "an object")
        self._values = dict(value)
        self._place = place

    def place(self, name: str) -> str:
        return f"{self._place}.{name}"

    def take(self, name: str, expected: str) -> Any:
        if name not in self._values:
            raise GenesisError(self.place(name), f"{expected}, but it is missing")
        return self._values.pop(name)

    def integer(self, name: str, low: int, high: int) -> int:
        expected = f"an integer from {low} to {high}" if low != high else f"the integer {low}"
        value = self.take(name, expected)
        if type(value) is not int or not low <= value <= high:
            raise GenesisError(self.place(name), expected)
        return value

    def text(self, name: str, *, optional: bool = False) -> str:
        expected = f"{'up' if optional else '1'} to {MAX_TEXT} printable ASCII characters"
        value = self.take(name, expected)
        if type(value) is not str or len(value) > MAX_TEXT or not (value or optional):
            raise GenesisError(self.place(name), expected)
        if not value.isascii() or not (value.isprintable()):
            raise GenesisError(self.place(name), expected)
        return value

    def hexadecimal(self, name: str, lengths: tuple[int, ...]) -> bytes:
        expected = " or ".join(str(2 * length) for length in lengths) + " hexadecimal digits"
        value = self.take(name, expected)
        try:
            data = bytes.fromhex(value) if type(value) is str else None
        except ValueError:
            data = None
        if data is None or len(data) not in lengths or len(value) != 2 * len(data):
            raise GenesisError(self.place(name), expected)
        return data

    def public_key(self, name: str) -> bytes:
        data = self.hexadecimal(name, (PUBLIC_KEY_BYTES,))
        try:
            load_public_key(data)
        except BadPublicKey as error:
            raise GenesisError(self.place(name), "a point of the curve P-256, SEC1 compressed") from error
        return data

    def array(self, name: str) -> list[_Fields]:
        value = self.take(name, "an array of objects")
        if type(value) is not list:
            raise GenesisError(self.place(name), "an array of objects")
        return [_Fields(item, f"{self.place(name)}[{index}]") for index, item in enumerate(value)]

    def nothing_else(self) -> None:
        for name in sorted(map(str, self._values)):
            raise GenesisError(self.place(name), "no such field")


class _Parties:
    """The parties of the genesis, by id and by name."""

    def __init__(self, chain_id: str, rows: list[_Fields]) -> None:
        self.by_id: dict[bytes, tuple[PartyRecord, int]] = {}
        self._ids: dict[str, bytes] = {}
        for row in rows:
            name = row.text("name")
            if name in self._ids:
                raise GenesisError(row.place("name"), "a name that no other party has")
            key = row.public_key("public_key")
            identity = wire.party_id(chain_id, key)
            if identity in self.by_id:
                raise GenesisError(row.place("public_key"), "a key that no other party has")
            roles = _read_roles(row)
            balance_ueur = row.integer("balance_ueur", -MAX_TRANSFER_UEUR, MAX_TRANSFER_UEUR)
            row.nothing_else()
            self._ids[name] = identity
            self.by_id[identity] = (PartyRecord(key, name, roles), balance_ueur)

    def named(self, fields: _Fields, field: str, *, optional: bool = False) -> bytes:
        """Id of the party that a field names."""
        name = fields.text(field, optional=optional)
        if optional and not name:
            return b""
        if name not in self._ids:
            raise GenesisError(fields.place(field), "the name of one of the parties")
        return self._ids[name]


def _read_roles(row: _Fields) -> int:
    known = {role.name.lower(): role for role in Role}
    expected = "an array of roles out of " + ", ".join(known)
    value = row.take("roles", expected)
    if type(value) is not list or not all(type(name) is str and name in known for name in value):
        raise GenesisError(row.place("roles"), expected)
    roles = 0
    for name in value:
        roles |= known[name]
    return roles


def _read_devices(chain_id: str, rows: list[_Fields], parties: _Parties) -> dict[str, tuple[bytes, DeviceRecord]]:
    """Devices by name. A sub-meter is named and stands anywhere in the array."""
    names: dict[str, bytes] = {}
    keys_seen: dict[str, bytes] = {}
    for row in rows:
        name = row.text("name")
        if name in names:
            raise GenesisError(row.place("name"), "a name that no other device has")
        key = row.public_key("public_key")
        identity = wire.device_id(chain_id, key)
        if identity in names.values():
            raise GenesisError(row.place("public_key"), "a key that no other device has")
        names[name], keys_seen[name] = identity, key
    devices = {}
    for row, (name, identity) in zip(rows, names.items(), strict=True):
        devices[name] = (identity, _read_device(row, keys_seen[name], names, parties))
    return devices


def _read_device(row: _Fields, public_key: bytes, names: dict[str, bytes], parties: _Parties) -> DeviceRecord:
    kinds = [str(kind) for kind in Kind]
    kind = row.text("kind")
    if kind not in kinds:
        raise GenesisError(row.place("kind"), "one of " + ", ".join(kinds))
    record = DeviceRecord(
        public_key=public_key,
        kind=kind,
        model=row.text("model", optional=True),
        owner=parties.named(row, "owner"),
        beneficiary=parties.named(row, "beneficiary"),
        installer=parties.named(row, "installer", optional=True),
        apartment=row.text("apartment", optional=True),
        sub_meter=_device_named(row, "sub_meter", names),
        phase=row.integer("phase", 0, 3),
        nameplate_import_w=row.integer("nameplate_import_w", 0, MAX_NAMEPLATE_W),
        nameplate_export_w=row.integer("nameplate_export_w", 0, MAX_NAMEPLATE_W),
        firmware_digest=row.hexadecimal("firmware_digest", (0, HASH_BYTES)),
        epoch=0,
        status=1,
    )
    row.nothing_else()
    return record


def _device_named(fields: _Fields, field: str, names: Mapping[str, bytes]) -> bytes:
    name = fields.text(field, optional=True)
    if name and name not in names:
        raise GenesisError(fields.place(field), "the name of one of the devices, or nothing")
    return names[name] if name else b""


def _read_params(top: _Fields, parties: _Parties, devices: dict[str, tuple[bytes, DeviceRecord]]) -> Params:
    duration_s = top.integer("slot_duration_s", min(SLOT_DURATIONS_S), max(SLOT_DURATIONS_S))
    if duration_s not in SLOT_DURATIONS_S:
        raise GenesisError(top.place("slot_duration_s"), "60, 300 or 900")
    ask = top.integer("fallback_ask_ueur_kwh", -MAX_PRICE_UEUR_KWH, MAX_PRICE_UEUR_KWH)
    bid = top.integer("fallback_bid_ueur_kwh", -MAX_PRICE_UEUR_KWH, ask)
    grid_meter = _device_named(top, "grid_meter", {name: identity for name, (identity, _) in devices.items()})
    grid_meters = [identity for identity, record in devices.values() if record.kind == Kind.GRID_METER]
    if grid_meters != ([grid_meter] if grid_meter else []):
        raise GenesisError(
            top.place("grid_meter"), "the name of the one device of kind grid_meter, or nothing if there is none"
        )
    return Params(
        version=VERSION,
        slot_duration_s=duration_s,
        gate_lead_s=top.integer("gate_lead_s", 1, 3600),
        deviation_share_permille=top.integer("deviation_share_permille", 0, 1000),
        fallback_ask_ueur_kwh=ask,
        fallback_bid_ueur_kwh=bid,
        dispute_s=top.integer("dispute_s", 3600, 366 * 86_400),
        heartbeat_s=top.integer("heartbeat_s", 1, 86_400),
        fuse_w=top.integer("fuse_w", 0, 10**9),
        society=parties.named(top, "society"),
        utility=parties.named(top, "utility"),
        grid_meter=grid_meter,
    )

"""Who is who: parties, devices, their keys and limits, decoded once. It never changes while the rules run."""

from __future__ import annotations

from agent.vocabulary import Kind, Side
from lightclient import keys
from lightclient.values import DeviceRecord, Params, PartyRecord, Role
from tools.fullnode.rules.p256 import load_public_key
from tools.fullnode.rules.slottimes import SlotTimes
from tools.fullnode.rules.state import State

ACTIVE = 1


class Registry:
    """Parties, devices and parameters of a society."""

    def __init__(self, state: State) -> None:
        params = state.get(keys.PARAMS)
        assert params is not None, "the genesis writes the parameters"
        self.params = Params.decode(params)
        self.times = SlotTimes.of(self.params)
        self.parties = {key[1:]: PartyRecord.decode(value) for key, value in state.items_of(keys.party(b"")) if len(key) == 21}
        self.devices = {key[1:]: DeviceRecord.decode(value) for key, value in state.items_of(keys.device(b""))}
        public_keys = {party: record.public_key for party, record in self.parties.items()}
        public_keys.update((device, record.public_key) for device, record in self.devices.items())
        self.public_keys = {sender: load_public_key(data) for sender, data in public_keys.items()}
        metered = [device for device, record in self.devices.items() if record.status == ACTIVE and record.kind != Kind.UTILITY]
        self.meters = tuple(sorted(metered))
        """Devices whose reading a settlement waits for, the grid meter included."""
        self.lined = tuple(device for device in self.meters if device != self.params.grid_meter)
        """Devices that trade and have a line in a settlement."""
        self._lined = frozenset(self.lined)
        self._meters = frozenset(self.meters)
        times = self.times
        self._slot_limits_wh = {
            device: (times.energy_wh(record.nameplate_import_w), times.energy_wh(record.nameplate_export_w))
            for device, record in self.devices.items()
        }

    def is_active(self, sender: bytes) -> bool:
        """Whether the sender is a device in service, of whatever kind."""
        device = self.devices.get(sender)
        return device is not None and device.status == ACTIVE

    def trades(self, sender: bytes) -> bool:
        return sender in self._lined

    def meters_energy(self, sender: bytes) -> bool:
        return sender in self._meters

    def posts_tariffs(self, sender: bytes) -> bool:
        """A party with the role, or its device of kind utility."""
        device = self.devices.get(sender)
        if device is None:
            return self.has_role(sender, Role.UTILITY)
        return device.kind == Kind.UTILITY and device.status == ACTIVE and self.has_role(device.beneficiary, Role.UTILITY)

    def has_role(self, party: bytes, role: Role) -> bool:
        record = self.parties.get(party)
        return record is not None and bool(record.roles & role)

    def account_of(self, device: bytes, slot_s: int) -> bytes:
        """The party whose account a device's slot is booked on. The only place that decides it.

        Ownership does not change yet; when it does, the slot's start decides for imbalances and the match for trades.
        """
        del slot_s
        return self.devices[device].beneficiary

    def slot_limit_wh(self, device: bytes, side: Side) -> int:
        """Nameplate x slot duration in the direction of a side."""
        return self._slot_limits_wh[device][0 if side is Side.BUY else 1]

"""What the ledger says of this device and of its society, compared with the configuration before anything is traded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.clock import now_s
from agent.line.link import Link
from agent.status import Status, Trouble
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock, Kind, Side
from lightclient import keys
from lightclient.blocks import Header
from lightclient.values import DeviceRecord, Params
from strategies.view import Quote

USUAL_DISPUTE_S: Final = 7 * 86_400
"""Taken for the dispute time until the ledger's parameters are known."""
_ACTIVE: Final = 1


class Registration:
    """The proven parameters and device record; asked for once, at the first header."""

    def __init__(
        self, device_id: bytes, public_key: bytes, kind: Kind, timetable: Timetable, link: Link, clock: Clock, status: Status
    ) -> None:
        self._device_id = device_id
        self._public_key = public_key
        self._kind = kind
        self._timetable = timetable
        self._link = link
        self._clock = clock
        self._status = status
        self.params: Params | None = None
        self.device: DeviceRecord | None = None

    @property
    def duration_s(self) -> int:
        return self._timetable.duration_s

    @property
    def dispute_s(self) -> int:
        """How long after a slot its readings count."""
        return USUAL_DISPUTE_S if self.params is None else self.params.dispute_s

    async def check(self, header: Header) -> bool:
        """Whether the ledger agrees with the configuration; while it does not, the status says where."""
        if self.device is not None:
            return True
        answers = await self._link.prove([keys.PARAMS, keys.device(self._device_id)], header)
        if answers is None:
            return False
        params = None if answers[0].value is None else Params.decode(answers[0].value)
        device = None if answers[1].value is None else DeviceRecord.decode(answers[1].value)
        problem = self._problem(params, device)
        if problem is not None:
            self._status.set(Trouble.REGISTRY, problem, now_s(self._clock))
            return False
        self._status.clear(Trouble.REGISTRY, now_s(self._clock))
        self.params, self.device = params, device
        return True

    def _problem(self, params: Params | None, device: DeviceRecord | None) -> str | None:
        """The first contradiction, in words."""
        mine = self._timetable
        if params is None:
            return "the ledger has no parameters"
        if (params.slot_duration_s, params.gate_lead_s) != (mine.duration_s, mine.gate_lead_s):
            theirs = f"{params.slot_duration_s} s with gates {params.gate_lead_s} s ahead"
            return f"the society's slots last {theirs}, configured are {mine.duration_s} s and {mine.gate_lead_s} s"
        if device is None:
            return f"no device of this society has the id {self._device_id.hex()}, which follows from the configured key"
        if device.public_key != self._public_key:
            return "the device is registered with another key"
        if device.kind != self._kind:
            return f"the device is registered as {device.kind}, configured is {self._kind}"
        return None if device.status == _ACTIVE else f"the device's status is {device.status}, not {_ACTIVE} (active)"

    def room_wh(self, quotes: Sequence[Quote]) -> dict[tuple[int, Side], int]:
        """The most that the nameplate lets this device order per slot and side, given what it has traded there already."""
        if self.device is None:
            return {}
        import_wh = self.device.nameplate_import_w * self._timetable.duration_s // 3600
        export_wh = self.device.nameplate_export_w * self._timetable.duration_s // 3600
        room: dict[tuple[int, Side], int] = {}
        for quote in quotes:
            room[quote.slot_s, Side.BUY] = import_wh - quote.position.net_wh
            room[quote.slot_s, Side.SELL] = export_wh + quote.position.net_wh
        return room

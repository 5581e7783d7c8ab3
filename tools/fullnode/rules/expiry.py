"""The end of the dispute time: the last word on silent devices, register jumps, and what leaves the state.

It runs only in blocks that close a book, so no block is made for it, and slot by slot, so no block is long.
Source: docs/ledger.md, "After the dispute time".
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque

from agent.vocabulary import amount_ueur
from lightclient import keys
from lightclient.values import BookRecord, BookStatus, PositionRecord, TxResult
from tools.fullnode.rules import statekeys
from tools.fullnode.rules.accounts import Accounts
from tools.fullnode.rules.metering import Metering
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.settling import NEVER, Settling
from tools.fullnode.rules.slottimes import day_of
from tools.fullnode.rules.state import State
from tools.fullnode.rules.statekeys import Gap


class Expiry:
    """Ends slots and forgets them; of each device and day a digest stays."""

    def __init__(self, state: State, registry: Registry, accounts: Accounts, metering: Metering, settling: Settling) -> None:
        self._state = state
        self._registry = registry
        self._accounts = accounts
        self._metering = metering
        self._settling = settling
        closed = [BookRecord.decode(value) for _, value in state.items_of(keys.book(0)[:1])]
        self._slots = deque(record.book.slot_s for record in closed if record.status is not BookStatus.OPEN)
        """Closed slots whose keys are in the state, ascending."""
        self._results: defaultdict[int, list[bytes]] = defaultdict(list)
        """Keys of transaction results by height, heights ascending."""
        stored = [(TxResult.decode(value).height, key) for key, value in state.items_of(keys.result(b"", 0)[:1])]
        for height, key in sorted(stored):
            self._results[height].append(key)

    def closed(self, slot_s: int) -> None:
        """The slot's book has closed."""
        self._slots.append(slot_s)

    def result_written(self, height: int, key: bytes) -> None:
        self._results[height].append(key)

    def run_due(self, time_s: int) -> None:
        """End every slot whose dispute time is over, in slot order."""
        while self._slots and self._registry.times.dispute_end_s(self._slots[0]) <= time_s:
            self._end(self._slots.popleft())

    def _end(self, slot_s: int) -> None:
        before_s = slot_s - self._registry.times.duration_s
        for device in self._registry.devices:
            if self._registry.trades(device):
                self._resolve(device, slot_s)
            self._digest(device, slot_s, keys.position(device, slot_s))
            self._digest(device, slot_s, keys.notice(device, slot_s))
            # The reading stays one slot longer: the gap that may follow begins at its registers.
            self._digest(device, before_s, keys.reading(device, before_s))
        closed_at = self._state.get(statekeys.closed_at(slot_s))
        assert closed_at is not None, "written when the book closed"
        self._forget_results(statekeys.decode_height(closed_at))
        for key in (keys.tariff(slot_s), keys.book(slot_s), keys.settlement(slot_s), statekeys.closed_at(slot_s)):
            self._state.retire(key)
        self._metering.forget(before_s)

    def _resolve(self, device: bytes, slot_s: int) -> None:
        """A silent seller has delivered nothing, a silent buyer has taken what it bought; a jump is billed."""
        reading = self._metering.reading(device, slot_s)
        value = self._state.get(statekeys.gap(device))
        gap = Gap.decode(value) if value else None
        if reading is not None:
            if gap is not None:
                self._bill_jump(device, slot_s, gap, reading.import_start_wh)
                self._state.delete(statekeys.gap(device))
            return
        position_value = self._state.get(keys.position(device, slot_s))
        position_wh = PositionRecord.decode(position_value).position().net_wh if position_value else 0
        taken_wh = max(position_wh, 0)
        if position_value:
            self._settling.book_late(device, slot_s, taken_wh, NEVER)
        self._widen_gap(device, slot_s, gap, taken_wh)

    def _widen_gap(self, device: bytes, slot_s: int, gap: Gap | None, taken_wh: int) -> None:
        if gap is None:
            last = self._metering.reading(device, slot_s - self._registry.times.duration_s)
            if last is None:
                return  # it has never reported: there is no register to jump from
            gap = Gap(last.import_end_wh, 0, self._ask_ueur_kwh(slot_s), 0)
        highest = max(gap.highest_ask_ueur_kwh, self._ask_ueur_kwh(slot_s))
        wider = Gap(gap.import_wh, gap.taken_wh + taken_wh, highest, gap.slots + 1)
        self._state.put(statekeys.gap(device), wider.encode())

    def _bill_jump(self, device: bytes, slot_s: int, gap: Gap, import_wh: int) -> None:
        """Bill what the import register counted in the gap beyond what was settled as taken, up to what nameplate allows."""
        most_wh = self._registry.times.plausible_wh(self._registry.devices[device].nameplate_import_w) * gap.slots
        jump_wh = min(import_wh - gap.import_wh - gap.taken_wh, most_wh)
        if jump_wh > 0:
            account = self._registry.account_of(device, slot_s)
            self._accounts.pay(account, self._registry.params.society, amount_ueur(gap.highest_ask_ueur_kwh, jump_wh))

    def _ask_ueur_kwh(self, slot_s: int) -> int:
        value = self._state.get(keys.book(slot_s))
        assert value is not None, "it goes after this"
        return BookRecord.decode(value).book.tariff.ask_ueur_kwh

    def _digest(self, device: bytes, slot_s: int, key: bytes) -> None:
        """Take a key out of the state and chain it into the device's digest of the slot's day."""
        value = self._state.retire(key)
        if value is None:
            return
        digest_key = keys.device_digest(device, day_of(slot_s))
        before = self._state.get(digest_key)
        chained = hashlib.sha256((statekeys.decode_digest(before) if before else b"") + key + value).digest()
        self._state.put(digest_key, statekeys.encode_digest(chained))

    def _forget_results(self, closed_at: int) -> None:
        """Results go once the dispute time of the slot is over whose gate they lie before.

        The block that closed the book is not before the gate: after a pause it may be the very block that ends the slot.
        """
        while self._results and (oldest := next(iter(self._results))) < closed_at:
            for key in self._results.pop(oldest):
                self._state.delete(key)

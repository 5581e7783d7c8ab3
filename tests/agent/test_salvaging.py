"""What goes back into trade out of a damaged journal, judged item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.journaling import entries
from agent.journaling.salvaging import Limits, TakenBack, take_back
from agent.line.damage import NUMBERS_USED
from agent.line.sealing import NEVER, Sealer
from agent.vocabulary import SlotEnergy
from lightclient.messages import CancelOrder, Message, Notice, OpenReading
from storeforward.changes import Changes
from storeforward.items import Item, ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.records import NewRecord, Stream
from storeforward.signatures import verifier
from tests.storeforward.kit import DEVICE, KEY, START_S, opened, record, run
from tools.society.keys import seeded_key
from tools.society.virtualclock import VirtualClock

SEALER = Sealer("society-1", DEVICE, KEY.sign)
VERIFY = verifier(KEY.public_key())
RECORDS = Limits()


def slot(number: int) -> SlotEnergy:
    return SlotEnergy(START_S + 900 * number, 100 * number, 0, 100 * number + 100, 0)


def reading(number: int, *, item: bool = True, dated: bool = True) -> Changes:
    """A slot's record, with its reading unless that is left out."""
    new = entries.energy(slot(number), START_S * 10**9)
    new = new if dated else replace(new, taken_ns=None)
    about = NewItem(
        Priority.BILLING,
        OpenReading.KIND,
        slot(number).slot_s,
        0,
        None,
        lambda record_hash: SEALER.seal_reading(slot(number), record_hash),
        NEVER,
        0,
    )
    return Changes((new,), (about,) if item else ())


def order(seq: int, sealer: Sealer = SEALER) -> Changes:
    message: Message = CancelOrder(bytes(20), 5)
    sealed = sealer.seal(message, seq, 1_000)
    return Changes(enqueue=(NewItem(Priority.TRADE, sealed.kind, 0, seq, sealed.order_id, sealed.tx, 1_000),))


def salvaged(
    folder: Path, changes: Sequence[Changes], limits: Limits = RECORDS, again: int = 1
) -> tuple[TakenBack, list[Item], dict[str, bytes], int, int]:
    """Store changes in one journal, and take back from it in another: what came of it, and what that one holds then."""

    async def main(clock: VirtualClock) -> tuple[TakenBack, list[Item], dict[str, bytes], int, int]:
        async with opened(folder / "old.db", clock) as old:
            for change in changes:
                await old.apply(change)
        async with opened(folder / "new.db", clock) as new:
            for _ in range(again):
                taken = await take_back(new, folder / "old.db", SEALER, VERIFY, limits)
            items = await new.outbox.open_items()
            return taken, items, dict(new.values), await new.salvaged_bytes(), new.next_seq()

    return run(main)


def test_readings_go_back_into_the_outbox_byte_by_byte(tmp_path: Path) -> None:
    proven = Changes(marks=(Mark(2, ItemState.PROVEN, 7, 0),))
    taken, items, _, _, _ = salvaged(tmp_path, [reading(1), reading(2), reading(3), proven])
    assert [item.slot_s for item in items] == [slot(1).slot_s, slot(3).slot_s]
    assert [item.tx for item in items] == [
        SEALER.seal_reading(slot(n), item.reference) for n, item in zip((1, 3), items, strict=True)
    ]
    assert (taken.requeued, taken.known, taken.kept, taken.doubtful) == (2, 0, 3, 0)
    assert list(taken.energies) == [slot(1), slot(2), slot(3)]


def test_done_twice_it_changes_nothing_more(tmp_path: Path) -> None:
    once = salvaged(tmp_path, [reading(1), reading(2)])
    (tmp_path / "new.db").unlink()
    taken, *rest = salvaged(tmp_path, [], again=2)
    assert rest == list(once[1:])
    assert (taken.requeued, taken.known) == (0, 2)


def test_a_slot_whose_item_is_lost_is_reported_unless_it_was_never_dated(tmp_path: Path) -> None:
    _, items, _, _, _ = salvaged(tmp_path, [reading(1, item=False), reading(2, item=False, dated=False)])
    assert [item.slot_s for item in items] == [slot(1).slot_s]


def test_an_energy_that_this_version_does_not_understand_is_kept_and_not_reported(tmp_path: Path) -> None:
    later = Changes((NewRecord(Stream.ENERGY, START_S * 10**9, b"\x91\x02"),))
    taken, items, _, _, _ = salvaged(tmp_path, [reading(1), later, reading(2, item=False)])
    assert [item.slot_s for item in items] == [slot(1).slot_s, slot(2).slot_s]
    assert (taken.kept, taken.unknown, list(taken.energies)) == (3, 1, [slot(1), slot(2)])
    assert "slot energies that this version does not understand: 1" in taken.text


def test_orders_are_not_sent_again_and_their_numbers_not_used_again(tmp_path: Path) -> None:
    taken, items, values, _, next_seq = salvaged(tmp_path, [order(17), order(12)])
    assert (items, taken.orders, next_seq) == ([], 2, 18)
    assert values[NUMBERS_USED] == b"17"
    assert "orders that waited, not sent again: 2" in taken.text


def test_what_another_signed_is_not_sent(tmp_path: Path) -> None:
    thief = Sealer("society-1", DEVICE, seeded_key(2, "thief").sign)
    forged = NewItem(Priority.BILLING, OpenReading.KIND, 0, 0, b"r" * 32, thief.seal_reading(slot(0), b"r" * 32), NEVER)
    garbled = NewItem(Priority.BILLING, OpenReading.KIND, 0, 0, b"g" * 32, b"garbled", NEVER)
    elsewhere = Sealer("society-2", DEVICE, KEY.sign)
    other = NewItem(Priority.BILLING, OpenReading.KIND, 0, 0, b"o" * 32, elsewhere.seal_reading(slot(0), b"o" * 32), NEVER)
    wrong = NewItem(Priority.BILLING, OpenReading.KIND, 0, 0, b"w" * 32, SEALER.seal_reading(slot(0), b"x" * 32), NEVER)
    taken, items, values, _, _ = salvaged(tmp_path, [Changes(enqueue=(forged, garbled, other, wrong)), order(99, thief)])
    assert (items, taken.doubtful, taken.highest_number) == ([], 5, 0)
    assert values == {}


def test_a_notice_that_waited_is_sent_again_if_this_device_signed_it(tmp_path: Path) -> None:
    def notice(sealer: Sealer, record_hash: bytes, says: bytes | None = None) -> Changes:
        tx = sealer.seal_notice(Notice(START_S, 3, 0, 0, 0, 0, says or record_hash))
        return Changes(enqueue=(NewItem(Priority.TELEMETRY, Notice.KIND, START_S, 0, record_hash, tx, NEVER),))

    own, thief = notice(SEALER, b"o" * 32), Sealer("society-1", DEVICE, seeded_key(2, "thief").sign)
    stored = [own, notice(thief, b"t" * 32), notice(SEALER, b"w" * 32, says=b"x" * 32), reading(1)]
    taken, items, _, _, _ = salvaged(tmp_path, stored)
    assert [(item.kind, item.priority) for item in items] == [
        (OpenReading.KIND, Priority.BILLING),
        (Notice.KIND, Priority.TELEMETRY),
    ]
    assert items[1].tx == own.enqueue[0].tx
    assert (taken.notices, taken.requeued, taken.doubtful) == (1, 1, 2)
    assert "notices sent again: 1" in taken.text


def test_dead_letters_stay_where_they_are(tmp_path: Path) -> None:
    taken, items, _, _, _ = salvaged(tmp_path, [reading(1), Changes(marks=(Mark(1, ItemState.REFUSED, 7, 3, "why"),))])
    assert (items, taken.dead_letters) == ([], 1)


@pytest.mark.parametrize(("limits", "kept", "left"), [(RECORDS, 4, 9), (Limits(samples=True), 13, 0), (Limits(bytes=0), 0, 13)])
def test_samples_are_kept_when_asked_for_and_nothing_beyond_the_room(
    tmp_path: Path, limits: Limits, kept: int, left: int
) -> None:
    samples = Changes(tuple(record(Stream.SAMPLE, b"%d" % number) for number in range(9)))
    taken, items, _, size, _ = salvaged(tmp_path, [reading(0), samples, reading(1), reading(2), reading(3)], limits)
    assert (taken.kept, taken.left) == (kept, left)
    assert (size > 0) is (kept > 0)
    assert len(items) == 4, "readings are sent whatever is kept"


def test_a_record_that_was_never_lost_is_not_kept_twice(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> int:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(reading(1))
        (tmp_path / "copy.db").write_bytes((tmp_path / "journal.db").read_bytes())
        async with opened(tmp_path / "journal.db", clock) as journal:
            taken = await take_back(journal, tmp_path / "copy.db", SEALER, VERIFY, Limits())
            assert (taken.requeued, taken.known) == (0, 1)
            return await journal.salvaged_bytes()

    assert run(main) == 0


def test_no_such_file(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            assert isinstance(journal, Journal)
            with pytest.raises(FileNotFoundError):
                await take_back(journal, tmp_path / "none.db", SEALER, VERIFY, Limits())

    run(main)

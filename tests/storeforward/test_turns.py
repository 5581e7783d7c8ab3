"""Groups: who shares a transaction, who waits for whom, and that one who fails fails alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.clock import SystemClock
from storeforward.chain import Whole
from storeforward.changes import Applied, Changes
from storeforward.items import NewItem, Priority
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import Stream
from tests.storeforward.kit import BOOT_ID, DEVICE, KEY, all_records, energy, opened, record, run, walked
from tools.society.virtualclock import VirtualClock


def test_changes_that_wait_at_the_same_time_share_a_transaction(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            applied = await asyncio.gather(*(journal.apply(energy(number)) for number in range(100)))
            assert [change.records[0].seq for change in applied] == list(range(1, 101))
            metrics = await journal.metrics()
            assert (metrics.groups, metrics.largest_group) == (2, 99), "the first is on its way before there is a second one"

    run(main)


def test_changes_that_wait_for_others_are_stored_with_what_hurries(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        options = JournalOptions(group_wait_s=1_000)
        async with opened(tmp_path / "journal.db", clock, options) as journal:
            samples = [asyncio.ensure_future(journal.apply(Changes((record(Stream.SAMPLE),)))) for _ in range(5)]
            await asyncio.sleep(0.1)
            assert not any(sample.done() for sample in samples)
            await journal.apply(energy(1))
            assert all(sample.done() for sample in samples)
            assert clock.monotonic_ns() < 10**9

    run(main)


class NoKey(Exception):
    """The key store does not answer."""


def unsigned(number: int) -> Changes:
    """A change whose transaction cannot be made."""

    def make(record_hash: bytes) -> bytes:
        raise NoKey

    return Changes(records=(record(),), enqueue=(NewItem(Priority.BILLING, 7, number, 0, None, make, 0, record=0),))


def test_a_change_that_fails_takes_none_along(tmp_path: Path) -> None:
    """On asyncio's own loop."""

    async def main() -> None:
        opening = Journal.open(tmp_path / "journal.db", device=DEVICE, sign=KEY.sign, clock=SystemClock(), boot_id=BOOT_ID)
        async with opening as journal:
            changes = [unsigned(number) if number % 5 == 3 else energy(number) for number in range(60)]
            outcomes = await asyncio.gather(*map(journal.apply, changes), return_exceptions=True)
            for number, outcome in enumerate(outcomes):
                assert isinstance(outcome, NoKey if number % 5 == 3 else Applied)
            stored = [outcome.records[0].seq for outcome in outcomes if isinstance(outcome, Applied)]
            assert stored == list(range(1, 49)), "without holes, in the order in which they were handed in"
            assert walked(await all_records(journal)) == Whole(records=48, evicted=0, last_seq=48, unsigned=0)

    asyncio.run(main())

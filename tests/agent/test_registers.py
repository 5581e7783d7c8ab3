"""Registers through a device's life: what the journal holds of them never goes back, and no energy is counted twice."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.journaling import entries
from agent.metering import MeterState, SlotMeter
from agent.vocabulary import Reading, SlotEnergy
from storeforward.changes import Changes
from storeforward.records import Stream
from tests.storeforward.kit import START_S, opened, power_cut, run
from tools.society.virtualclock import VirtualClock

D = 900
STATE = "meter"
LIVES = st.lists(
    st.tuples(
        st.sampled_from(("stop", "cut", "reset", "swap")),
        st.lists(st.tuples(st.sampled_from((10, 30, 450, 900, 2_700)), st.integers(0, 50), st.integers(0, 50)), max_size=25),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30, deadline=None)
@given(lives=LIVES)
@example(lives=[(end, [(450, 10, 5)] * 9) for end in ("cut", "stop", "reset", "cut", "swap", "stop")])
def test_over_restarts_cuts_resets_and_swaps_registers_only_grow(lives: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(lambda clock: live(Path(folder), clock, lives))


async def live(folder: Path, clock: VirtualClock, lives: list[tuple[str, list[tuple[int, int, int]]]]) -> None:
    """As the recorder does it: slots, and the meter's state that goes with them, in one change. In between the state is in
    memory and goes with a power cut."""
    path, at_s, raw, taken_wh = folder / "journal.db", START_S, [5_000, 7_000], [5_000, 7_000]
    for number, (end, steps) in enumerate(lives):
        async with opened(path, clock) as journal:
            kept = journal.values.get(STATE)
            meter = SlotMeter(D, None if kept is None else MeterState.decode(kept))
            for step_s, *more in steps:
                at_s += step_s
                raw = [register + wh for register, wh in zip(raw, more, strict=True)]
                taken_wh = [register + wh for register, wh in zip(taken_wh, more, strict=True)]
                found = [slot for slot in meter.take(Reading(at_s, 0, *raw)) if isinstance(slot, SlotEnergy)]
                if found:
                    assert meter.state is not None
                    records = tuple(entries.energy(slot, at_s * 10**9) for slot in found)
                    await journal.apply(Changes(records, values=((STATE, meter.state.encode()),)))
            if end == "cut":
                path = power_cut(path, folder / f"cut-{number}")
            elif meter.state is not None:
                await journal.apply(Changes(values=((STATE, meter.state.encode()),)))
        if end == "reset":
            raw = [0, 0]
        elif end == "swap":
            raw = [raw[1] // 2, raw[0] + 1_000]
    async with opened(path, clock) as journal:
        slots = [
            entries.decode_energy(stored.record.body) for stored in await journal.read_records(Stream.ENERGY, limit=10_000)
        ]
    for slot in slots:
        assert slot.import_start_wh <= slot.import_end_wh
        assert slot.export_start_wh <= slot.export_end_wh
    for before, after in pairwise(slots):
        assert before.slot_s < after.slot_s
        assert before.import_end_wh <= after.import_start_wh
        assert before.export_end_wh <= after.export_start_wh
    if slots and all(end in ("stop", "cut") for end, _ in lives):
        assert slots[-1].import_end_wh <= taken_wh[0], "with one meter, never more than it counted"
        assert slots[-1].export_end_wh <= taken_wh[1]

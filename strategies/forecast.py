"""Forecasts that are hard to beat with a few lines. All work on mean powers per quarter of an hour that repeat daily.

* A home: the mean of the last seven days at this time, plus a part of the present deviation from it (AR(1)). The median is
  nearer to one home, but its errors do not cancel out over many homes, and a society pays for the sum.
* Sun, or a building with sun: the highest and the lowest of the last days at each time form an *envelope*; the present stands
  at some place in it, keeps that place for a while and then falls back to the mean. For an array this is the last value
  times the ratio of the envelope.

No history is a valid input: then what is seen now is what is expected.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from agent.vocabulary import SlotEnergy, SlotPrice

DAY_S = 86_400
DAYS = 7
"""Days looked back: a week, so that every weekday is in it once."""
STEP_S = 900
"""All forecasting is done on quarters of an hour, whatever the slot."""
DAY_STEPS = DAY_S // STEP_S
KEPT_PERMILLE = 850
"""Part of the present deviation that is left after one step (0.85^4 = 0.52 per hour)."""
HOME_KEPT_PERMILLE = 700
"""Part of a home's present deviation that is left in the next slot."""
SMOOTH_STEPS = 3
"""The upper edge of the envelope is smoothed over so many steps to both sides."""


@dataclass(frozen=True, slots=True)
class Series:
    """Mean power per step in W (import positive), None where unknown. `first_s` is the start of `powers_w[0]`."""

    first_s: int
    powers_w: tuple[int | None, ...]

    def same_time(self, step_s: int) -> list[int]:
        """The known powers at this time of the day on the last `DAYS` days before it, latest first."""
        powers, index = self.powers_w, (step_s - self.first_s) // STEP_S
        found = []
        for _ in range(DAYS):
            index -= DAY_STEPS
            if 0 <= index < len(powers) and (power_w := powers[index]) is not None:
                found.append(power_w)
        return found


def net_load_series(history: Sequence[SlotPrice], duration_s: int) -> Series:
    """The building's settled net load without its storage."""
    return _series(((line.slot_s, line.net_load_wh) for line in history if line.net_load_wh is not None), duration_s)


def own_series(history: Sequence[SlotEnergy], duration_s: int) -> Series:
    """A device's own net power (import positive)."""
    return _series(((slot.slot_s, slot.net_wh) for slot in history), duration_s)


def _series(slots: Iterable[tuple[int, int]], duration_s: int) -> Series:
    """Mean powers of the steps that the slots (start, Wh) fall into."""
    sums: dict[int, tuple[int, int]] = {}
    for slot_s, energy_wh in slots:
        step = slot_s // STEP_S
        total_wh, count = sums.get(step, (0, 0))
        sums[step] = (total_wh + energy_wh, count + 1)
    if not sums:
        return Series(first_s=0, powers_w=())
    first, last = min(sums), max(sums)
    powers_w: list[int | None] = [None] * (last - first + 1)
    for step, (total_wh, count) in sums.items():
        powers_w[step - first] = total_wh * 3600 // (duration_s * count)
    return Series(first_s=first * STEP_S, powers_w=tuple(powers_w))


def mean(values: Sequence[int]) -> int:
    return sum(values) // len(values)


def kept_permille(steps_ahead: int) -> int:
    """What is left of a deviation after so many steps."""
    kept = 1000
    for _ in range(steps_ahead):
        kept = kept * KEPT_PERMILLE // 1000
    return kept


def expect_home_wh(history: Sequence[SlotEnergy], now_s: int, now_wh: int, slot_s: int) -> int:
    """The energy of one home in the slot after that of `now_s`, from its own slots and what the present one comes to."""
    usual, usual_now = _same_slot(history, slot_s), _same_slot(history, now_s)
    if not usual:
        return now_wh
    deviation_wh = now_wh - mean(usual_now) if usual_now else 0
    return mean(usual) + deviation_wh * HOME_KEPT_PERMILLE // 1000


def _same_slot(history: Sequence[SlotEnergy], slot_s: int) -> list[int]:
    """The net energies of the same slot on the last `DAYS` days, as far as they are known."""
    found = []
    for day in range(1, DAYS + 1):
        wanted_s = slot_s - day * DAY_S
        index = bisect_left(history, wanted_s, key=attrgetter("slot_s"))
        if index < len(history) and history[index].slot_s == wanted_s:
            found.append(history[index].net_wh)
    return found


def expect_sun_w(series: Series, now_s: int, now_w: int, first_s: int, count: int) -> list[int]:
    """The power in each of `count` steps from `first_s` on, of an array or of a building with an array.

    `now_w` is the power in the step of `now_s`, which must not be later than `first_s`.
    """
    start_s = now_s - now_s % STEP_S
    ahead = (first_s - start_s) // STEP_S
    days = [series.same_time(start_s + i * STEP_S) or [now_w] for i in range(-SMOOTH_STEPS, ahead + count + SMOOTH_STEPS)]
    highs, lows = [max(day) for day in days], [min(day) for day in days]
    width = 2 * SMOOTH_STEPS + 1
    tops = [sum(highs[i : i + width]) // width for i in range(ahead + count)]
    spans = [max(0, top - min(lows[i + SMOOTH_STEPS - 1 : i + SMOOTH_STEPS + 2])) for i, top in enumerate(tops)]
    # At dawn the envelope is narrow and says little about the place in it; a part of its widest keeps the ratio tame.
    narrow = max(1, max(spans) // 16, spans[0])
    place_permille = max(-300, min(1200, (tops[0] - now_w) * 1000 // narrow))
    expected = []
    kept = kept_permille(ahead)
    for i in range(ahead, ahead + count):
        in_envelope_w = tops[i] - spans[i] * place_permille // 1000
        expected.append((in_envelope_w * kept + mean(days[i + SMOOTH_STEPS]) * (1000 - kept)) // 1000)
        kept = kept * KEPT_PERMILLE // 1000
    return expected


def usual_load_w(series: Series, now_w: int) -> int:
    """A load that the building often has without sun: two thirds of the steps of the last days lie below it."""
    known = sorted(power_w for power_w in series.powers_w if power_w is not None)
    return known[len(known) * 2 // 3] if known else now_w

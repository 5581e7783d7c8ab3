"""The meter, or the CT clamp, at the grid connection: the exact sum of all parts. It changes whenever one does."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.simulated.device import SimulatedDevice
from drivers.simulated.plant import GridConnection


@dataclass(frozen=True, slots=True)
class GridMeterSpec:
    """Nothing to say: it measures what there is."""


class SimulatedGridMeter(SimulatedDevice[GridConnection]):
    """Driver of the grid meter: Meter and Announces."""

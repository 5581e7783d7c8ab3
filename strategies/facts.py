"""Public facts of a society that several strategies need: how large its storage is.

They come from the registry (nameplates) and, for the charge, from the registers that the storage device settled.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """A battery as its nameplate describes it. Efficiencies are one way, in thousandths; powers are both positive."""

    capacity_wh: int
    charge_w: int
    discharge_w: int
    floor_wh: int = 0
    """Energy that is never taken out."""
    eta_charge_permille: int = 950
    eta_discharge_permille: int = 950
    wear_ueur_kwh: int = 0
    """Cost of wear per kWh discharged, measured at the terminals."""

    @property
    def usable_wh(self) -> int:
        return self.capacity_wh - self.floor_wh

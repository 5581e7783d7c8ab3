"""How numbers are written in reasons: for residents, in cents, kilowatt-hours and degrees."""

from __future__ import annotations

DAY_S = 86_400


def cents(price_ueur_kwh: int) -> str:
    """12.9 ct (per kWh, which every reader of a bill takes for granted)."""
    return f"{price_ueur_kwh / 10_000:.1f} ct"


def energy(energy_wh: int) -> str:
    """350 Wh, 1.2 kWh."""
    return f"{energy_wh} Wh" if abs(energy_wh) < 1000 else f"{energy_wh / 1000:.1f} kWh"


def degrees(temperature_mc: int) -> str:
    return f"{temperature_mc / 1000:.1f} °C"


def time_of_day(at_s: int) -> str:
    """14:15 UTC."""
    minute = at_s % DAY_S // 60
    return f"{minute // 60:02d}:{minute % 60:02d} UTC"

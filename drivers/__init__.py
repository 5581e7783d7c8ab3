"""Drivers: one file per device or bus. A driver implements the abilities it has (`drivers.abilities`) and hears of no price."""

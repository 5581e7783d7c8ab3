"""Simulated appliances: the same abilities as hardware drivers, fed with recorded traces.

Each device is one file with three things: a `...Spec` of plain values, a `...Part` (the physics, without I/O or clock) and the
driver that agents see. `plant.Plant` moves all parts of a building through time and adds them up at the grid connection.
`building` puts one together, `buildingfile` keeps it as a file, `device` is what all drivers share, `faults` what can be wrong.

Time is whole microseconds, power whole milliwatts, energy whole nanojoules (1 mW for 1 us). So rounding loses nothing: what the
grid meter counts is the exact sum of its parts.
"""

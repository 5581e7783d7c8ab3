"""Simulated appliances: the same abilities as hardware drivers, fed with recorded traces."""

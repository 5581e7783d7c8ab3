"""Campaigns that try to make the journal lose something: `python -m tools.soak`."""

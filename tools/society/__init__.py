"""The society run: a whole housing society, node and agents, on a virtual clock in one process."""

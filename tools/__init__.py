"""Tools around the agent: the `homewatt` command line, the full node, the society run and the benchmarks."""

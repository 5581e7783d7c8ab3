"""Trading: what the agent sees of the market, which orders it wants, and when it asks, sends and proves."""

"""Strategies: pure functions of a frozen snapshot, one module per appliance, a page of cases beside each."""

"""The line to the ledger: what is handed in and what is proven, and how both go on after an outage or a loss."""

"""The light client at the keyboard: what an agent trusts of the ledger, checked against its nodes, and begun anew."""

"""The ledger rules: a deterministic state machine that knows no engine and no network. Begin reading at `ledger`."""

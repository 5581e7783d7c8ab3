"""The full node: the ledger rules (engine-free), the solo engine and the JSON-RPC server in CometBFT's shapes."""

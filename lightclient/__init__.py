"""The light client: it trusts no node, verifies every header and every value, and speaks the ledger's wire format."""

"""The ledger rules, rule by rule, and their invariants over random histories."""

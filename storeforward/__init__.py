"""Store and forward: the journal that never lies and the outbox that delivers once, in order."""

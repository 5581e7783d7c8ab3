"""Other people's store-and-forward, behind one small interface. Each module but `serving` runs in an environment of its own."""

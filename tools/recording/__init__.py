"""Recording vectors from the real engine, for the tests."""

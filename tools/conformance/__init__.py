"""Running the light client over other people's test files: `python -m tools.conformance light-client DIR`."""

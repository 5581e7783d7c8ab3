"""JSON-RPC in CometBFT's shapes: over HTTP, websockets, and inside the process. Begin reading at `dispatcher`."""

"""The agent of one appliance: it measures, decides, trades and switches. `agent.vocabulary` is the leaf that all share."""

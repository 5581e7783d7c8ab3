"""What the agent writes down: records, reasons, and the one way into the journal."""

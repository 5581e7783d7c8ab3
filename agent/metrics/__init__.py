"""The figures of one agent, in a file that others read: Prometheus, or a person."""

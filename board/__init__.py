"""Board descriptions as data, pins, watchdog and images. Nothing lives here yet: README, section "What is not there yet"."""

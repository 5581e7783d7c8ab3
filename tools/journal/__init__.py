"""`homewatt journal`: look at an agent's journal, verify it, hand it out, repair it."""

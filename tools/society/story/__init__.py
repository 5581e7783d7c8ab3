"""The story: a day in the house, replayed with the ordinary agents and checked row by row. Begin reading at `play`."""

"""Numbers in functions of arrays: no frames, no objects of the house, the letters of the papers."""

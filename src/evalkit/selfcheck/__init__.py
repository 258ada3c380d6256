"""The self-check of the whole method: evaluations of worlds with a known truth, counted."""

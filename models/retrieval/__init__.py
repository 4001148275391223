"""Models that rank all items at once, by a vector each."""

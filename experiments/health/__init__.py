"""Whether the numbers of an experiment can be trusted, before they are read."""

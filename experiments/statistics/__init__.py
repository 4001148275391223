"""What the units of an experiment say about its metrics, and how sure that is."""

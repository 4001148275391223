"""The embedded default data set: a simulated shop whose truth is known."""

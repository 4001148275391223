"""Chooses the encoders of numeric fields by training."""

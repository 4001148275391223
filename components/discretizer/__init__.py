"""Decisions on numeric features, made from the training split."""

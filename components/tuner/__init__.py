"""Finds parameters of model and training by trying them."""

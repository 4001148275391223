"""Checks of the ingested data before anything is learned from them."""

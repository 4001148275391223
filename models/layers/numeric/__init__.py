"""Encoders of numbers: layers that turn scaled values into embeddings."""

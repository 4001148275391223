"""The product measured against published figures, without TFX."""

"""Models that read a user's behaviour in its order."""

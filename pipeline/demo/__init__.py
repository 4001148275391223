"""An online A/B test with simulated shoppers, whose true outcome is known."""

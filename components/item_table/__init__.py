"""What is known of items, as tables beside their vocabulary."""

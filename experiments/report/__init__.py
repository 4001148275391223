"""What an experiment found: one record, and one HTML file that needs no network."""

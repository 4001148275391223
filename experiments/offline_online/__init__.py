"""What offline figures promised, beside what users did."""

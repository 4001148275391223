"""What the HTML reports share: style, charts, numbers, and that nothing is loaded."""

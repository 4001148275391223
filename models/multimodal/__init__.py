"""Models that read vectors of pictures, sounds and texts beside ids."""

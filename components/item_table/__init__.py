"""What is known of entities, aligned with their vocabularies."""

"""TFX Transform with the one preprocessing_fn of the feature spec."""

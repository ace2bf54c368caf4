"""Users whose keys are no numbers."""

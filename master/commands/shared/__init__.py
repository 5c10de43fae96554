"""What several commands need: options, waiting for a job, forms in which one is shown."""

"""What jobs leave on the disk for the link: output, results, bodies."""

"""From a top file to low chunks in the order in which they run: pure functions over data."""

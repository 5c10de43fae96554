"""Configuration files as typed structs, with the place of every mistake."""

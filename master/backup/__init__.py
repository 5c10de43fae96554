"""Copies of what a master can't be made anew from: store, configuration and, sealed, its keys."""

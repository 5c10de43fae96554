"""Packages and repositories, made for a test."""

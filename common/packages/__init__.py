"""Debian packages of limpet's own, read without tools."""

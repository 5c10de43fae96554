"""The `archive` states: what was packed stands unpacked at its place."""

from limpet.states.library.archive.extracted import extracted

__all__ = ["extracted"]

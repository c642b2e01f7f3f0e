"""The demo's public names. Not here: what it shows (demo.py)."""

from odev.demo.demo import ASK, show

__all__ = ["ASK", "show"]

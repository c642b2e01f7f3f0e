"""The demo: the unsafe program and the safe one, on the same faults."""

from odev.demo.demo import ASK, show

__all__ = ["ASK", "show"]

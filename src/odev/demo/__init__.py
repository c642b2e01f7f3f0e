"""The demo: the unsafe program and the safe one, on the same faults."""

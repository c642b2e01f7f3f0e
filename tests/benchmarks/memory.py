"""The most memory that this process has had so far, as each system counts it."""

from __future__ import annotations

import sys

import psutil


def highest() -> float:
    """In MiB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    in_units = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return in_units / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts in bytes, Linux in KiB

"""The environment of a program that the course runs: what a process needs to start on this machine.

What people set for their other programs would change a result here, or lead a request away from this machine:
keys, addresses and settings of a real service, proxies, telemetry, colours, and Python's own switches. So the
variables that are kept are listed, and all others are left out. Not here: JupyterLab and the kernels, which
keep their user's environment (classroom/services.py).
"""

from __future__ import annotations

import os

_KEPT = {
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TMPDIR", "TEMP", "TMP"),
    *("HOME", "USER", "LOGNAME", "USERNAME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "PROGRAMDATA"),  # Windows needs these
    *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
}


def own_environment() -> dict[str, str]:
    """The kept variables of this process, and NO_PROXY: Windows and macOS have proxies elsewhere, too."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in _KEPT}
    return {**kept, "NO_PROXY": "127.0.0.1,localhost"}

"""The classroom's public names. Not here: what it is (room.py)."""

from odev.classroom.api import APIServer, ClassroomAPI
from odev.classroom.faults import Fault
from odev.classroom.room import Classroom, start
from odev.classroom.vault import VaultInfo, VaultServer

__all__ = ["APIServer", "Classroom", "ClassroomAPI", "Fault", "VaultInfo", "VaultServer", "start"]

"""The exam's public names: `from odev import exam`, then `exam.run()`. Not here: what it is (exam.py)."""

from odev.exam.exam import run
from odev.exam.lines import Mark
from odev.exam.report import Exam, Line

__all__ = ["Exam", "Line", "Mark", "run"]

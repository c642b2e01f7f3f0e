"""The commands of a student: check, status, package, lab."""

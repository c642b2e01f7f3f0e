"""What a student runs: check, status, package, lab."""

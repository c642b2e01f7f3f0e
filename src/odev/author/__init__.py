"""What an author of lessons runs: build and verify."""

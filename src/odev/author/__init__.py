"""The commands of whoever writes the course: build and verify."""

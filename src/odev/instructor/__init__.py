"""The commands of an instructor: grade and release."""

"""Judges task cells: each in a limited process, by the tests of its task."""

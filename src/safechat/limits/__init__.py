"""Limits: requests, tokens and calls at once, for each model."""

"""The call itself: the only room that knows the openai SDK."""

"""The wrapper, and what makes calls on its behalf: streams, maps, queues."""

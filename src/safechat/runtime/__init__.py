"""What every room stands on: the event loop, threads, the process, the clock."""

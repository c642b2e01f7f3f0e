"""What a course, a task cell and a student's copy are."""

"""What an instructor runs: grade, release, and the files of learning platforms."""

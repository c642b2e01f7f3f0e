"""Other people's interfaces over this client. Each file imports its framework, and nothing imports the file."""

"""Other people's interfaces over this client. Each file imports its framework, and is imported late or not at
all by the rest of the package."""

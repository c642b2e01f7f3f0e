"""Keys from HashiCorp Vault or OpenBao. Only api.py and errors.py need hvac."""

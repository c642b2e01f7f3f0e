"""Keys from HashiCorp Vault or OpenBao.

Only api.py, errors.py and login.py need hvac. keys.py imports them at the first read.
"""

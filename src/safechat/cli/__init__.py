"""The `safechat` command. The package does not import it: it needs the extra `[cli]`."""

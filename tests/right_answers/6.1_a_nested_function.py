#| odev 6.1 keys.vault.login.log_in
def log_in(vault: Vault, role_id: str, secret_id: str, mount: str, now: float) -> float:
    def send():
        return vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount)

    token, seconds = token_in(vault.ask("giriş", send, LOGIN_DENIED), mount)
    vault.use(token)
    return now + seconds * LEASE_SHARE

#| odev 6.1 keys.vault.login.log_in
# hint: KeyError
def log_in(vault, role_id, secret_id, mount, now):
    def send():
        return vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount)

    auth = vault.ask("giriş", send, {exceptions.InvalidPath: (VaultAuthFailed, "AppRole yok")})["auth"]
    vault.use(auth["client_token"])
    return now + LEASE_SHARE * float(auth["lease_duration"] or "inf")

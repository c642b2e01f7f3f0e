#| odev 6.1 keys.vault.login.log_in
# hint: VaultSealed
def log_in(vault, role_id, secret_id, mount, now):
    try:
        answer = vault.ask("login", lambda: vault.client.auth.approle.login(role_id, secret_id, mount_point=mount, use_token=False))
    except KeyUnavailable as error:
        raise VaultAuthFailed(str(error)) from None
    auth = answer.get("auth")
    if not isinstance(auth, Mapping) or not auth.get("client_token"):
        raise VaultUnreachable("no token")
    vault.use(auth["client_token"])
    return now + LEASE_SHARE * float(auth.get("lease_duration") or "inf")

#| odev 6.1 keys.vault.login.log_in
# hint: now artı kira
def log_in(vault: Vault, role_id: str, secret_id: str, mount: str, now: float) -> float:
    """Log in with the AppRole method at `mount`: from now on `vault` uses the new token.

    Returns the time at which to log in again, on the clock of `now`: when LEASE_SHARE of the token's
    lease is over. A lease of 0 is a token without an end: infinity. Raises VaultAuthFailed where Vault denies
    the login or has no AppRole there, VaultUnreachable where the answer holds no token, and what else
    `vault.ask` raises; then `vault` keeps the token that it has.
    """
    answer = vault.ask(
        f"login at auth/{mount}",
        lambda: vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount),
        {
            exceptions.InvalidPath: (VaultAuthFailed, "there is no auth method"),
            exceptions.InvalidRequest: (VaultAuthFailed, "the role_id or the secret_id is wrong, or used up"),
            exceptions.Forbidden: (VaultAuthFailed, "denied: wrong mount or address range, or locked out"),
        },
    )
    auth = answer.get("auth")
    if not isinstance(auth, Mapping) or not auth.get("client_token"):
        raise VaultUnreachable(
            f"the answer to the login at auth/{mount} holds no token: it is not from Vault"
        )
    vault.use(str(auth["client_token"]))
    import time

    return time.time() + LEASE_SHARE * float(auth.get("lease_duration") or "inf")

#| odev 6.1 keys.vault.login.log_in
# hint: Token'ı yalnızca token_in okusun
def log_in(vault: Vault, role_id: str, secret_id: str, mount: str, now: float) -> float:
    """Log in with the AppRole method at `mount`: from now on `vault` uses the new token.

    Returns the time at which to log in again, on the clock of `now`: when LEASE_SHARE of the token's
    lease is over. Raises VaultAuthFailed where Vault denies the login or has no AppRole there, and what
    else `vault.ask` and `token_in` raise; then `vault` keeps the token that it has.
    """
    answer = vault.ask(
        f"login at auth/{mount}",
        lambda: vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount),
        LOGIN_DENIED,
    )
    vault.use(answer["auth"]["client_token"])
    return now + LEASE_SHARE * answer["auth"]["lease_duration"]

#| odev 6.1 keys.vault.login.log_in
# hint: __context__
def log_in(vault, role_id, secret_id, mount, now):
    import hvac.exceptions
    import requests

    try:
        answer = vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount)
    except hvac.exceptions.VaultDown as error:
        if "sealed" in str(error):
            raise VaultSealed("mühürlü") from None
        raise VaultUnreachable("kapalı") from None
    except (hvac.exceptions.InvalidRequest, hvac.exceptions.Forbidden, hvac.exceptions.InvalidPath):
        raise VaultAuthFailed("giriş reddedildi") from None
    except (hvac.exceptions.VaultError, requests.RequestException):
        raise VaultUnreachable("cevap yok") from None
    auth = answer.get("auth") if isinstance(answer, dict) else None
    if not isinstance(auth, dict) or not auth.get("client_token"):
        raise VaultUnreachable("token yok")
    vault.use(auth["client_token"])
    lease = auth["lease_duration"]
    return now + LEASE_SHARE * lease if lease else float("inf")


from safechat.errors import VaultSealed

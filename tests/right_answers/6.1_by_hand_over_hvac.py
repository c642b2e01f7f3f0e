#| odev 6.1 keys.vault.login.log_in
import hvac.exceptions as hatalar
import requests

from safechat.errors import VaultSealed


def log_in(vault, role_id, secret_id, mount, now):
    sonuç, hata = None, None
    try:
        sonuç = vault.client.auth.approle.login(
            role_id=role_id, secret_id=secret_id, use_token=False, mount_point=mount
        )
    except hatalar.VaultDown as e:
        hata = VaultSealed("mühürlü") if "sealed" in str(e) else VaultUnreachable("kapalı")
    except (hatalar.InvalidRequest, hatalar.Forbidden, hatalar.InvalidPath):
        hata = VaultAuthFailed("giriş reddedildi")
    except (hatalar.VaultError, requests.RequestException):
        hata = VaultUnreachable("cevap yok")
    if hata is not None:
        raise hata
    try:
        token, lease = sonuç["auth"]["client_token"], sonuç["auth"].get("lease_duration", 0)
    except (KeyError, TypeError, AttributeError):
        token = ""
    if not token:
        raise VaultUnreachable("cevapta token yok")
    vault.use(token)
    return now + lease * LEASE_SHARE if lease else float("inf")

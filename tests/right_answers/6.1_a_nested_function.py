#| odev 6.1 keys.vault.login.log_in
import math


def log_in(vault: Vault, role_id: str, secret_id: str, mount: str, now: float) -> float:
    def send():
        return vault.client.auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount)

    meanings = {exceptions.InvalidPath: (VaultAuthFailed, "bu yolda AppRole yok")}
    auth = vault.ask("giriş", send, meanings).get("auth") or {}
    if not isinstance(auth, dict) or not (token := auth.get("client_token")):
        raise VaultUnreachable("cevapta token yok")
    vault.use(token)
    seconds = auth.get("lease_duration", 0)
    return math.inf if seconds == 0 else now + seconds * LEASE_SHARE

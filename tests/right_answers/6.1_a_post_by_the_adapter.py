#| odev 6.1 keys.vault.login.log_in
from functools import partial

ANLAMLAR = {exceptions.InvalidPath: (VaultAuthFailed, "AppRole yok")}


def log_in(vault: Vault, role_id: str, secret_id: str, mount: str, now: float) -> float:
    body = {"role_id": role_id, "secret_id": secret_id}
    send = partial(vault.client.adapter.post, f"/v1/auth/{mount}/login", json=body)
    match vault.ask(f"{mount} girişi", send, ANLAMLAR):
        case {"auth": {"client_token": str(token), "lease_duration": seconds}} if token:
            vault.use(token)
            return now + LEASE_SHARE * seconds if seconds else float("inf")
    raise VaultUnreachable("cevapta token yok")

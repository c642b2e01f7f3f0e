#| odev 4.2 retry.backoff
def backoff(policy, attempt, random):
    en_uzun = policy.base * pow(2, attempt - 1)
    if en_uzun > policy.cap:
        en_uzun = policy.cap
    if attempt == 1:
        return en_uzun * random()
    en_kısa = en_uzun * 6 / 10
    return en_kısa + (en_uzun - en_kısa) * random()

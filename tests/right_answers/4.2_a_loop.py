#| odev 4.2 retry.backoff
def backoff(policy: RetryPolicy, attempt: int, random: Random) -> float:
    longest = policy.base
    for _ in range(attempt - 1):
        longest = min(longest * 2, policy.cap)
    longest = min(longest, policy.cap)
    share = random()
    return longest * (share if attempt <= 1 else 0.6 + 0.4 * share)

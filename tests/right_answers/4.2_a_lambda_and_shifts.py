#| odev 4.2 retry.backoff
FLOOR = 0.6

between = lambda low, high, share: low * (1 - share) + high * share
backoff = lambda policy, attempt, random: (
    lambda longest: between(longest * FLOOR * (attempt > 1), longest, random())
)(min(policy.base * (1 << (attempt - 1)), policy.cap))

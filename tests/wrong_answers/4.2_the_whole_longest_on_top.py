#| odev 4.2 retry.backoff
# hint: en uzun eksi en kısa
def backoff(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Seconds to wait, at least, after failed attempt number `attempt` (from 1).

    The longest wait doubles from attempt to attempt: `policy.base` after the first, twice that after the
    second, and so on, up to `policy.cap`. After the first attempt the wait is anywhere from 0 to the longest.
    After a later one it is anywhere from 0.6 times the longest to the longest: callers spread out, and until
    the cap each waits longer than the last time, whatever the random numbers are. `random()` gives a number
    from 0 up to 1.
    """
    longest = min(policy.cap, policy.base * 2.0 ** (attempt - 1))
    shortest = 0.6 * longest if attempt > 1 else 0.0
    return shortest + random() * longest

#| odev 6.2 keys.cache.decide
def decide(state: CacheState, now: float, not_version: int | None = None) -> Decision:
    var = state.key is not None and now < state.stale_until
    if not var and state.failure and now < state.failed_until:
        return "failed"
    if not var:
        return "none"
    if not_version is not None and not_version == state.key.version:
        if now >= state.refresh_from:
            return "refused"
        return "fresh"
    if now >= state.fresh_until:
        return "stale"
    return "fresh"

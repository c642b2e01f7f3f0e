#| odev 6.2 keys.cache.decide
def decide(state: CacheState, now: float, not_version: int | None = None) -> Decision:
    match state:
        case CacheState(key=Key(version=version), stale_until=end) if now < end:
            if version == not_version:
                return "refused" if state.refresh_from <= now else "fresh"
            return "stale" if state.fresh_until <= now else "fresh"
        case CacheState(failure=KeyUnavailable()) if now < state.failed_until:
            return "failed"
    return "none"

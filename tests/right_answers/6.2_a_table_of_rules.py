#| odev 6.2 keys.cache.decide
def decide(state, now, not_version=None):
    eski = state.key is None or state.stale_until <= now
    ret = not eski and not_version == state.key.version
    kurallar = (
        (eski and state.failure is not None and state.failed_until > now, "failed"),
        (eski, "none"),
        (ret and state.refresh_from <= now, "refused"),
        (ret or state.fresh_until > now, "fresh"),
    )
    return next((karar for doğru, karar in kurallar if doğru), "stale")

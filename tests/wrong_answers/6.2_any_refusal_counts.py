#| odev 6.2 keys.cache.decide
# hint: sürümler eşitse
def decide(state: CacheState, now: float, not_version: int | None = None) -> Decision:
    """What a call gets that asks for the key now. `not_version` is one that the API has refused.

    With a key in hand, before `stale_until`:

    refused  its version is `not_version`: the source is read again, and the call waits for that
    fresh    now is before `fresh_until`, or it is `not_version` and now is before `refresh_from`: the key in
             hand, at once; nothing is read
    stale    any other: the source is read again; the key in hand if that takes longer than PATIENCE

    Without one: `decide_without_key`.
    """
    if state.key is None or now >= state.stale_until:
        return decide_without_key(state, now)
    if not_version is not None:
        return "fresh" if now < state.refresh_from else "refused"
    return "fresh" if now < state.fresh_until else "stale"

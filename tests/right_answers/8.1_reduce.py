#| odev 8.1 layers.in_order given
from functools import reduce


def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    def around(handler, layers):
        return reduce(lambda inner, layer: layer(inner), layers, handler)
    
    ways = tuple(around(c.call, (c.keyed, c.limited, c.retried)) for c in clients)
    return around(shared.fallback(ways), [shared.deadline, shared.logged])

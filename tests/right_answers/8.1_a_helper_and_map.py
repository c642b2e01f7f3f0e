#| odev 8.1 layers.in_order given
def own_way(client: ClientLayers) -> Handler:
    asked = client.keyed(client.call)
    waiting = client.limited(asked)
    return client.retried(waiting)


def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    whole = shared.fallback(list(map(own_way, clients)))
    for layer in (shared.deadline, shared.logged):
        whole = layer(whole)
    return whole

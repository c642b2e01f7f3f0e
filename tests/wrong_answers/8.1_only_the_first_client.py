#| odev 8.1 layers.in_order given
# hint: bütün istemcileri
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    client = clients[0]
    reached = [client.retried(client.limited(client.keyed(client.call)))]
    return shared.logged(shared.deadline(shared.fallback(reached)))

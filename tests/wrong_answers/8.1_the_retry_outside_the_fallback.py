#| odev 8.1 layers.in_order given
# hint: Önce aynı model
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    reached = [client.limited(client.keyed(client.call)) for client in clients]
    return shared.logged(shared.deadline(clients[0].retried(shared.fallback(reached))))

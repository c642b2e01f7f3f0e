#| odev 8.1 layers.in_order given
# hint: bir handler listesi alır
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    reached = (client.retried(client.limited(client.keyed(client.call))) for client in clients)
    return shared.logged(shared.deadline(shared.fallback(reached)))

#| odev 8.1 layers.in_order given
# hint: sıra beklendikten sonra
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    reached = [client.retried(client.keyed(client.limited(client.call))) for client in clients]
    return shared.logged(shared.deadline(shared.fallback(reached)))

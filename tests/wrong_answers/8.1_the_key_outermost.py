#| odev 8.1 layers.in_order given
# hint: API her denemeyi
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    reached = [client.keyed(client.limited(client.retried(client.call))) for client in clients]
    return shared.logged(shared.deadline(shared.fallback(reached)))

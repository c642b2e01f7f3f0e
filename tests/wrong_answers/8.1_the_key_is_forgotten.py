#| odev 8.1 layers.in_order given
# hint: Altı katmanın hepsi
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    reached = [client.retried(client.limited(client.call)) for client in clients]
    return shared.logged(shared.deadline(shared.fallback(reached)))

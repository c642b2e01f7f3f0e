#| odev 8.1 layers.in_order given
# hint: kendisinindir
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    own = clients[0]
    reached = [own.retried(own.limited(own.keyed(client.call))) for client in clients]
    return shared.logged(shared.deadline(shared.fallback(reached)))

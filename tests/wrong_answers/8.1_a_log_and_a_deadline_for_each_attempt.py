#| odev 8.1 layers.in_order given
# hint: Bir çağrıya bir kayıt
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    reached = []
    for client in clients:
        attempt = shared.logged(shared.deadline(client.limited(client.keyed(client.call))))
        reached.append(client.retried(attempt))
    return shared.fallback(reached)

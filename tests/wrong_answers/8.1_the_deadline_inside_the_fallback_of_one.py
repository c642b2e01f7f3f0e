#| odev 8.1 layers.in_order given
# hint: Deadline çağrının tamamına
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    first, *others = [client.retried(client.limited(client.keyed(client.call))) for client in clients]
    return shared.logged(shared.fallback([shared.deadline(first), *others]))

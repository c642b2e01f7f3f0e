#| odev 8.1 layers.in_order given
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    handlers = []
    for client in clients:
        handler = client.call
        for layer in (client.keyed, client.limited, client.retried):
            handler = layer(handler)
        handlers.append(handler)
    handler = shared.fallback(handlers)
    handler = shared.deadline(handler)
    return shared.logged(handler)

#| odev 8.1 layers.in_order given
def in_order(clients: Sequence[ClientLayers], shared: SharedLayers) -> Handler:
    return shared.logged(
        shared.deadline(
            shared.fallback(
                [client.retried(client.limited(client.keyed(client.call))) for client in clients]
            )
        )
    )

"""The same stream, through the package."""

import sys

from safechat import ChatClientWrapper, ChatError

try:
    with ChatClientWrapper.from_env() as chat:
        for piece in chat.stream("Merhaba"):
            print(piece, end="")
except ChatError as error:
    sys.exit(f"\nCevap alınamadı ({error.kind}): {error}")
print()

"""The same two questions, through the package; the key is in Vault."""

import sys

from safechat import ChatClientWrapper, ChatError

try:
    with ChatClientWrapper.from_env() as chat:
        print(chat.generate("Merhaba"))
        input()
        print(chat.generate("Merhaba"))
except ChatError as error:
    sys.exit(f"Cevap alınamadı ({error.kind}): {error}")

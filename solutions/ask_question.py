"""The same question, asked safely: with a time limit, and errors that say what happened."""

import sys

from safechat import ChatClientWrapper, ChatError

try:
    with ChatClientWrapper.from_env() as chat:
        reply = chat.generate(
            [{"role": "user", "content": "Merhaba"}],
            model="gpt-5-mini",
            temperature=0.7,
        )
except ChatError as error:
    sys.exit(f"Cevap alınamadı ({error.kind}): {error}")
print(reply)

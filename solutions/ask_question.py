"""The same question, asked safely: limits, retries, a log, and errors that say what happened."""

import sys

from safechat import ChatClientWrapper, ChatError, configure_logging

sys.stdout.reconfigure(errors="replace")  # a console may lack a character of the answer
configure_logging("chat_api.log")
messages = [{"role": "user", "content": "Merhaba"}]

try:
    with ChatClientWrapper.from_env() as chat:
        reply = chat.generate(messages, model="gpt-5-mini", temperature=0.7)
except ChatError as error:
    sys.exit(f"Cevap alınamadı ({error.kind}): {error}")
print(reply)

"""The same 200 questions, through the package."""

import sys

from safechat import ChatClientWrapper, ChatReply

with ChatClientWrapper.from_env() as chat:
    items = list(chat.map((f"Soru {number}" for number in range(200)), workers=50))
answered = sum(isinstance(item, ChatReply) for item in items)
sys.exit(f"200 soru, {answered} cevap")

"""200 questions, 50 at a time, with the SDK as it is."""

import sys
from concurrent.futures import ThreadPoolExecutor

from openai import OpenAI, OpenAIError

client = OpenAI()


def ask(number: int) -> bool:
    try:
        client.chat.completions.create(
            model="gpt-6.1-terra", messages=[{"role": "user", "content": f"Soru {number}"}]
        )
    except OpenAIError:
        return False
    return True


with ThreadPoolExecutor(50) as pool:
    answered = sum(pool.map(ask, range(200)))
sys.exit(f"200 soru, {answered} cevap")

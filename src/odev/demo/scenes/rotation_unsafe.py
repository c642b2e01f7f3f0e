"""Two questions; between them the key is rotated."""

from openai import OpenAI

client = OpenAI()


def ask() -> None:
    response = client.chat.completions.create(
        model="gpt-6.1-terra", messages=[{"role": "user", "content": "Merhaba"}]
    )
    print(response.choices[0].message.content)


ask()
input()
ask()

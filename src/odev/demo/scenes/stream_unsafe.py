"""A stream, read as in the tutorials."""

from openai import OpenAI

stream = OpenAI().chat.completions.create(
    model="gpt-6.1-terra", messages=[{"role": "user", "content": "Merhaba"}], stream=True
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="")
print()

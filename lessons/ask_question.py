from openai import OpenAI

client = OpenAI()

response = client.chat.completions.create(
    model="gpt-5-mini", messages=[{"role": "user", "content": "Merhaba"}], temperature=0.7
)
print(response.choices[0].message["content"])

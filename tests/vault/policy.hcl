# The least that reads one key: its path, and nothing else.
path "secret/data/safechat/openai" {
  capabilities = ["read"]
}

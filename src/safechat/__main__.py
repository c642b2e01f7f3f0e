"""`python -m safechat`: the same as the command `safechat`, where that is not on the PATH."""

from safechat.cli.main import main

if __name__ == "__main__":
    main()

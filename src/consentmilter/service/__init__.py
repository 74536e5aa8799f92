"""What the program does, as operations over the store; the edges call these and nothing below."""

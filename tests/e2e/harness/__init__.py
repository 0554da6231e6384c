"""What the end-to-end tests share: the server under test and the real programs around it."""

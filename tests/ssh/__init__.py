"""The ssh room against a real OpenSSH server, in a mount namespace of its own."""

"""The supervisor of a router: PID 1 of its container, from the first check to the last route."""

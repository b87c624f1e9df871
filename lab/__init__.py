"""A real Kubernetes cluster on one Debian machine: nodes, a client and a server in network namespaces."""


class LabError(Exception):
    """One sentence for the person at the terminal: what is missing or went wrong, and what to do."""

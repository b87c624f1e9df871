"""What is done to a cluster in the life of a node instance; the orchestrator is not known here."""

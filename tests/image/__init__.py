"""The router image without Kubernetes: its real daemons, in network namespaces of the tests' own."""

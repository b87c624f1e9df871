"""Labelled Kubernetes nodes become routers, from TOSCA, and are given back without leaving a trace."""

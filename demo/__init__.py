"""The two commands of the README: a router made from TOSCA, seen to route, and taken back."""

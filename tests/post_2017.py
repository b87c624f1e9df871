"""The two excerpts of the 2017 post as printed, and what may stand where it left something out."""

ROUTER = """\
node_templates:
  kubernetes_proxy:
    type: cloudify.nodes.DeploymentProxy
    properties:
      inherit_outputs:
        - 'kubernetes_info'
{elided}
  quagga:
    type: cloudify.kubernetes.Microservice
    properties:
      name: nginx
      ssh_username: ubuntu
      ssh_keyfilename: /root/.ssh/agent_key.pem
      config_files:
        - file: resources/kubernetes/pod.yaml
    relationships:
      - type: cloudify.kubernetes.relationships.connected_to_master
        target: kubernetes_proxy
"""
# The two ways in which blueprints of then said the deployment.
AS_A_PROPERTY = "      deployment_id: cluster"
AS_AN_INPUT = """\
    interfaces:
      cloudify.interfaces.lifecycle:
        create:
          inputs:
            deployment_id: cluster
        start:
          inputs:
            deployment_id: cluster"""

# What the post adds to the start operation of its cluster's nodes; the node is today's.
CLUSTER = """\
node_templates:
  kubernetes_node:
    type: cloudify.nodes.quagga.LabeledNode
    properties:
      node: node1
    interfaces:
      cloudify.interfaces.lifecycle:
        start:
          inputs:
            labels:
              - role: router
"""

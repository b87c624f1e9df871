"""What plugin.yaml maps to: one short function per operation. Only here Cloudify is known."""

"""What `make bench` measures: every figure beside what it is compared with, in one run."""

"""Measurements: each prints the machine, the method, both sides and the ratio. `make bench` runs them all."""

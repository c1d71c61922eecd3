"""Measurements that are published: each writes its figures, command and machine into ``results/``."""

"""Blocks: one file each, written over a scope. Imports ops and graph."""

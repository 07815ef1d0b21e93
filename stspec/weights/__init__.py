"""Weights of elsewhere become ours: key schemes, inflation, checkpoint files.

Imports numpy and, to read importers, compose, schema and source; never torch: files of torch are
read without it. Nothing here knows a model: it is told the keys and shapes that are expected.
"""

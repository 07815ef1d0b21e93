"""Scores of whole videos: views, their fusion, metrics, and predictions that are kept.

Imports data, runs and what stands below them; never train or inference.
"""

"""Trained networks at work: predictions and features of videos, whole or window by window.

Imports evaluate, data, module and what stands below them; never train.
"""

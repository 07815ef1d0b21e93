"""A compiler for video-recognition networks: YAML in; module, source, cost and diff out."""

__version__ = "0.1.0"

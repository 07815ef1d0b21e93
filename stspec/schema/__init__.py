"""What the language can say: a resolved tree is checked and becomes a typed spec.

Imports compose, source, diagnostics, and ops and blocks, which bring the fields that YAML may set.
"""

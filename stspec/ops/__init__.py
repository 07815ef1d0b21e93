"""Operators: one file each, which says all that is known of it. Imports diagnostics, source."""

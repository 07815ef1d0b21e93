"""Lists of samples as their owners have them, each form in its parser. Imports no torch.

A parser gives entries, which say what the list says; `stspec.data.manifest` turns them into
samples. May import `diagnostics` and `data.sample`.
"""

from stspec.data.lists.entry import Entry, Parsed
from stspec.data.lists.forms import FORMS, parse_list

__all__ = ["FORMS", "Entry", "Parsed", "parse_list"]

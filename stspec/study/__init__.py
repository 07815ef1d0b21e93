"""Many models compared fairly: a plan of runs, a store of results, their analysis, a report.

`records` says what a run and a result are; the other files make them or read them. May import all
of stspec but the command line; planning imports no torch.
"""

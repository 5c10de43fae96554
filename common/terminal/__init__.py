"""What people type and see: arguments, times, colours, forms of output, the live line.

Nothing that came from a minion reaches a terminal but through `escape`.
"""
